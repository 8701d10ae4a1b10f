// The parameter table: every trainable tensor, its place in the one flat buffer, and how it is
// treated.
//
// Weights, gradients, optimizer moments and checkpoints all use these offsets. The buffer has a
// part for each layer in the order of model/stage.hpp: embeddings, block after block, and the final
// norm with the head. Tensors start at multiples of kTensorAlignment elements, parts at multiples
// of kernels::kSumBlock, so that a part is whole blocks of the gradient norm; what lies between is
// padding and always zero.
//
// A table for one of several tensor-parallel ranks (model/split.hpp) has that rank's pieces of the
// same tensors in the same order, at the same places on all ranks. What all of them hold (norms)
// has whole blocks of kernels::kSumBlock to itself, so that a norm over all ranks can count it
// once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "model/config.hpp"
#include "model/split.hpp"
#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::model {

inline constexpr std::size_t kTensorAlignment = 64;  // elements

/// What initialisation and the optimizer need to know of a tensor.
enum class Role {
  token_embedding,
  position_embedding,
  matrix,           // [outputs, inputs], deviation 1 / sqrt(inputs)
  residual_matrix,  // a matrix whose output joins the residual stream: smaller by sqrt(2 layers)
  head,
  gain,  // ones
  bias,  // zeros
};

/// Elements of a whole tensor that a rank holds, one run after the other: `runs` of them, `run`
/// long, the first at `begin`, each `stride` behind the one before.
struct Pieces {
  std::size_t begin;
  std::size_t runs;
  std::size_t run;
  std::size_t stride;

  std::size_t count() const { return runs * run; }
};

struct Parameter {
  std::string name;                // "blocks.3.attention.qkv"
  std::vector<std::size_t> shape;  // row-major, of the whole tensor
  std::size_t whole_offset;        // of the whole tensor in the whole model's table
  std::size_t offset;              // elements from the start of the buffer
  std::size_t count;               // elements here; those of the shape if the model is not cut
  Role role;
  std::vector<Pieces> pieces;  // of the whole tensor; together they are `count` elements

  /// Calls use(element here, element of the whole tensor, count) for the runs of [begin, end),
  /// which are elements of the buffer.
  template <class Use>
  void for_each_run(const parallel::Extent& elements, Use&& use) const;

  bool is_embedding() const {
    return role == Role::token_embedding || role == Role::position_embedding || role == Role::head;
  }
  /// Weight decay reaches matrices and embeddings, not gains and biases.
  bool is_decayed() const { return role != Role::gain && role != Role::bias; }
};

// Elements from the start of the tensor's part.
struct NormOffsets {
  std::size_t gain;
  std::size_t bias;  // meaningless without a bias
};

struct BlockOffsets {
  NormOffsets attention_norm;
  NormOffsets feed_forward_norm;
  std::size_t qkv;            // [qkv_width, d]
  std::size_t attention_out;  // [d, H * head_width]
  std::size_t up;             // [up_width, d]
  std::size_t down;           // [d, F]
};

class ParameterTable {
 public:
  explicit ParameterTable(const ModelConfig& config, const Split& split = {});

  const std::vector<Parameter>& parameters() const { return parameters_; }

  /// Length of the flat buffer in elements, padding included.
  std::size_t buffer_size() const { return size_; }

  /// Parameters here; of the model if it is not cut.
  std::size_t n_total() const;
  std::size_t n_non_embedding() const;

  const Split& split() const { return split_; }

  /// Elements of a part that all tensor-parallel ranks hold alike; empty if the model is not cut.
  const parallel::Extent& replicated(std::size_t part) const { return replicated_[part]; }

  /// Elements of each layer, together the whole buffer; blocks() + 2 of them.
  const std::vector<parallel::Extent>& parts() const { return parts_; }
  std::size_t last_part() const { return parts_.size() - 1; }
  static std::size_t part_of_block(std::size_t block) { return block + 1; }
  std::size_t blocks() const { return parts_.size() - 2; }

  std::size_t token_embedding() const { return 0; }                       // [V, d]
  std::size_t position_embedding() const { return position_embedding_; }  // [T, d]
  std::size_t head() const { return head_; }  // [V, d]; the token embedding when tied
  std::size_t head_part() const { return head_ == token_embedding() ? 0 : last_part(); }

  // From the start of their part.
  const BlockOffsets& block() const { return block_; }  // the same in all
  const NormOffsets& final_norm() const { return final_norm_; }

 private:
  // How a tensor is cut: not at all, every one of its groups of rows in equal runs, or its columns.
  struct Whole {};
  struct Rows {
    std::vector<std::size_t> groups;
  };
  struct Columns {};
  using Cut = std::variant<Whole, Rows, Columns>;

  static std::vector<Pieces> cut_for(const Split& split, const std::vector<std::size_t>& shape,
                                     const Cut& cut);
  // Offset from the start of the last part.
  std::size_t add(std::string name, std::vector<std::size_t> shape, Role role, const Cut& cut);
  BlockOffsets add_block(std::size_t layer, const ModelConfig& config);
  NormOffsets add_norm(const std::string& name, const ModelConfig& config);
  void end_replicated();
  void align(std::size_t multiple);  // what comes next
  void begin_part();

  Split split_;
  std::vector<Parameter> parameters_;
  std::size_t size_ = 0;
  std::size_t whole_size_ = 0;  // of the whole model's table so far
  std::vector<parallel::Extent> replicated_;
  std::vector<parallel::Extent> parts_;
  std::size_t position_embedding_ = 0;
  BlockOffsets block_{};
  NormOffsets final_norm_{};
  std::size_t head_ = 0;
};

/// Standard deviation of a tensor's initial values; 0 for gains (ones) and biases (zeros).
float initial_deviation(const Parameter& parameter, const ModelConfig& config);

template <class Use>
void Parameter::for_each_run(const parallel::Extent& elements, Use&& use) const {
  std::size_t here = offset;
  for (const Pieces& piece : pieces) {
    const std::size_t from = std::max(elements.begin, here);
    const std::size_t to = std::min(elements.end, here + piece.count());
    for (std::size_t at = from; at < to;) {
      const std::size_t run = (at - here) / piece.run, within = (at - here) % piece.run;
      const std::size_t length = std::min(piece.run - within, to - at);
      use(at, piece.begin + run * piece.stride + within, length);
      at += length;
    }
    here += piece.count();
  }
}

}  // namespace isoflop::model
