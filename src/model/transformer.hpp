// The decoder-only transformer, or a stage of it, with explicit forward and backward passes:
// pre-norm blocks of causal attention and feed-forward.
//
//   x_0 = embedding(tokens)
//   x'  = x_l + attention(norm(x_l)) W_out         x_{l+1} = x' + activation(norm(x') W_up) W_down
//   logits = norm(x_layers) W_head
//
// Weights and gradients are in the order of ParameterTable and belong to the caller: in one buffer,
// of which a stage sees the range elements_of() it, or part by part (PartStore). T, float or bf16,
// is the type of weights and activations; gradients of weights are always fp32. Activations live in
// one arena that is laid out when the object is made: a step allocates nothing. Bits of a
// micro-batch depend on the micro-batch and the weights alone, wherever the model is cut.
//
// Tensor-parallel ranks share one model (model/split.hpp): a rank has its pieces of the weights in
// the order of its own table, all rows of what is cut (heads, inner features, logits) and its run
// of rows of the residual stream and of what the norms do. Before each pair of products the rows
// are gathered, after it partial sums are added and dealt
// (parallel/tensor_parallel/token_split.hpp). All of these ranks call the same passes with the same
// batch; losses are the same on all. Gradients of norms are of a rank's rows alone, for the caller
// to add.
//
// A tied embedding has two gradients, one of its use at each end of the model. They are kept apart
// until a virtual rank's micro-batches are done and added then, so that the ends may lie on
// different ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "device/arena.hpp"
#include "device/stream.hpp"
#include "kernels/api/embedding.hpp"
#include "model/activations.hpp"
#include "model/parameters.hpp"
#include "model/split.hpp"
#include "model/stage.hpp"
#include "parallel/tensor_parallel/token_split.hpp"
#include "profile/profile.hpp"

namespace isoflop::model {

/// Gives a pass the parts of the table as it comes to them. Forward passes ask for their parts from
/// the first to the last, backward passes from the last to the first; the head's comes apart.
template <class T>
class PartStore {
 public:
  enum class Pass { forward, backward };

  virtual ~PartStore() = default;
  /// [part], valid until weights() of another part, which may begin to gather one in its place.
  virtual const T* weights(std::size_t part, Pass pass) = 0;
  /// The part with the head, valid until the end of the pass.
  virtual const T* head_weights() = 0;
  /// [part], to be added to.
  virtual float* gradient(std::size_t part) = 0;
  /// The backward pass has added all it has to a part, but for a part with an embedding, to which
  /// the caller may have to add a tied head's.
  virtual void complete(std::size_t part) = 0;
  /// A pass has computed a product: a moment to move communication on. Must not block.
  virtual void after_product() = 0;
};

/// A stage's weights: elements_of() the stage, and the output head [V, d], which lies elsewhere
/// when it is tied. A store, where there is one, is asked for what is null.
template <class T>
struct Weights {
  const T* elements;
  const T* head;
  PartStore<T>* store = nullptr;
};

/// The same for gradients, which accumulate; the store is that of the weights. A tied head needs a
/// buffer of its own.
struct Gradient {
  float* elements;
  float* head;
};

/// B sequences. tokens, targets [B, T]; a stage without embedding does not look at tokens, one
/// without head does not look at targets.
struct MicroBatch {
  std::size_t sequences;
  std::span<const std::int32_t> tokens;
  std::span<const std::int32_t> targets;
};

template <class T>
class Transformer {
 public:
  /// `mode` evaluation makes the backward passes unusable and saves memory. `tensor`: the
  /// tensor-parallel ranks, null for a model that is not cut.
  Transformer(const ModelConfig& config, const Stage& stage, const Room& room, Mode mode,
              profile::Profile& profile, comm::Communicator* tensor = nullptr);

  // The whole model.

  /// Sum of the losses (nats) of one micro-batch; adds the gradient of that sum to `gradient`
  /// [buffer_size], but for a tied head's, which close_gradient() adds. tokens, targets [B, T].
  double train_batch(const T* weights, std::span<const std::int32_t> tokens,
                     std::span<const std::int32_t> targets, float* gradient);
  double train_batch(PartStore<T>& store, std::span<const std::int32_t> tokens,
                     std::span<const std::int32_t> targets);

  /// Adds what train_batch() left out since the last call. gradient [buffer_size, or its first
  /// part].
  void close_gradient(float* gradient);

  /// Sum of the losses (nats) of one micro-batch.
  double evaluate_batch(const T* weights, std::span<const std::int32_t> tokens,
                        std::span<const std::int32_t> targets);
  double evaluate_batch(PartStore<T>& store, std::span<const std::int32_t> tokens,
                        std::span<const std::int32_t> targets);

  /// Asks the store for weights and completes parts as train_batch() or (Mode::evaluation)
  /// evaluate_batch() does, and computes nothing: for a rank without a micro-batch, when stores of
  /// several ranks work together.
  void follow_batch(PartStore<T>& store, Mode mode);

  // A stage. `slot` < in_flight names a micro-batch between its passes.

  /// [m, d] residual stream (m = M, or this rank's rows of it) that comes from the stage before: to
  /// be filled before forward().
  T* input(std::size_t slot);

  /// output [m, d] is the residual stream for the stage after; not looked at with the head.
  void forward(const Weights<T>& weights, std::size_t slot, const MicroBatch& batch, T* output);

  /// d_stream [m, d] holds the gradient of the output (with the head: anything) and afterwards that
  /// of the input. Returns the sum of the losses with the head, else 0.
  double backward(const Weights<T>& weights, std::size_t slot, const MicroBatch& batch, T* d_stream,
                  const Gradient& gradient);

  /// The same without gradients of blocks and norms, which backward_weight() adds: the embedding's
  /// and the head's alone are added, the head's to a buffer of its own. `later` < put_off names the
  /// micro-batch until then.
  double backward_input(const Weights<T>& weights, std::size_t slot, std::size_t later,
                        const MicroBatch& batch, T* d_stream, const Gradient& gradient);
  void backward_weight(const Weights<T>& weights, std::size_t slot, std::size_t later,
                       std::size_t sequences, const Gradient& gradient);

  /// With the head, after forward(): sum of the losses.
  double evaluate(const Weights<T>& weights, std::size_t slot, const MicroBatch& batch);

  // For messages.

  /// Whether forward passes look for values that are no numbers, which takes a while: at the
  /// outputs of each block right behind it, since blocks share what is computed again.
  void watch(bool watches) { watches_ = watches; }
  /// After forward() under watch (and evaluate(), which gave `loss`): the place, in the order in
  /// which a forward pass of the whole model computes them, of the first activation with a value
  /// that is no number; kAllFinite if there is none. The place knows no ranks.
  static constexpr std::size_t kAllFinite = SIZE_MAX >> 1;
  std::size_t first_non_finite(std::size_t slot, std::size_t sequences, double loss) const;
  /// What has that place: "blocks.3.feed_forward.up".
  std::string name_of_output(std::size_t place) const;

  const ModelConfig& config() const { return config_; }
  const ParameterTable& table() const { return table_; }
  const Stage& stage() const { return stage_; }

  /// Bytes of the arena, which has the table of rotations too, and of the kernels' workspace.
  std::size_t memory_bytes() const;

  /// The same by formula, without making one.
  static std::size_t memory_bytes(const ModelConfig& config, const Stage& stage, const Room& room,
                                  Mode mode, const Split& split = {});

 private:
  using Block = typename Activations<T>::Block;
  using Gradients = typename Activations<T>::Gradients;

  using PutOff = typename Activations<T>::PutOff;

  // When the gradients of weights are computed.
  enum class WeightGradients { now, later };

  using Pass = typename PartStore<T>::Pass;

  Weights<T> whole(const T* weights) const { return {weights, weights + table_.head()}; }
  std::size_t head_in_part() const {
    return table_.head() - table_.parts()[table_.head_part()].begin;
  }
  // Where a part of the stage's weights and gradient lies, and the head.
  const T* part_of(const Weights<T>& weights, std::size_t part, Pass pass) const;
  float* part_of(const Weights<T>& weights, const Gradient& gradient, std::size_t part) const;
  const T* head_of(const Weights<T>& weights) const;
  void complete(const Weights<T>& weights, std::size_t part) const;
  void after_product() const {
    if (store_ != nullptr) store_->after_product();
  }
  std::size_t tokens_of(std::size_t sequences) const { return sequences * config_.context; }
  // This rank's rows of the residual stream, and their elements.
  std::size_t rows_of(std::size_t sequences) const {
    return tokens_of(sequences) / table_.split().ranks;
  }
  std::size_t stream_of(std::size_t sequences) const { return rows_of(sequences) * config_.width; }
  kernels::EmbeddingShape embedding_shape(std::size_t sequences) const;
  std::size_t part_of_block(std::size_t i) const {
    return ParameterTable::part_of_block(stage_.blocks.begin + i);
  }

  void embed(const Weights<T>& weights, const MicroBatch& batch, T* x);
  void forward_block(const T* weights, std::size_t sequences, const Block& block);
  void forward_attention(const T* weights, std::size_t sequences, const Block& block);
  void forward_middle(const T* weights, std::size_t sequences, const Block& block);
  void recompute_block(const T* weights, std::size_t sequences, const Block& block);
  double head_and_its_gradient(const Weights<T>& weights, std::size_t slot, const MicroBatch& batch,
                               T* d_normed, float* head_gradient);
  void backward_block(const T* weights, std::size_t sequences, const Block& block,
                      const Gradients& gradients, T* d_input, float* gradient,
                      WeightGradients when);
  void block_weight_gradients(const T* weights, std::size_t sequences, const Block& block,
                              const Gradients& gradients, float* gradient);
  void embedding_gradient(const MicroBatch& batch, const T* d_stream, float* gradient);
  void lose(std::size_t rows, const std::int32_t* targets, float* losses, bool with_gradient);
  double sum_losses(std::size_t count);
  std::size_t first_non_finite_of_block(std::size_t i, std::size_t slot,
                                        std::size_t sequences) const;

  // The kernels that several places need, counted in the profile.
  void add_and_norm(const T* weights, const NormOffsets& offsets, std::size_t m, const T* x,
                    const T* delta, T* sum, T* y, float* statistics);
  void norm_back(const T* weights, const NormOffsets& offsets, std::size_t m, const T* x,
                 const float* statistics, const T* dy, const T* d_residual, T* dx, float* gradient,
                 WeightGradients when);
  void norm_weights_back(const T* weights, const NormOffsets& offsets, std::size_t m, const T* x,
                         const float* statistics, const T* dy, float* gradient);
  template <class Y>
  void project(std::size_t m, std::size_t outputs, std::size_t inputs, const T* x, const T* w,
               Y* y);
  void project_back(std::size_t m, std::size_t outputs, std::size_t inputs, const T* dy, const T* w,
                    T* dx);
  void project_weights_back(std::size_t m, std::size_t outputs, std::size_t inputs, const T* dy,
                            const T* x, float* dw);

  ModelConfig config_;
  ParameterTable table_;
  HeldSizes held_;
  Stage stage_;
  std::size_t first_element_;
  Room room_;
  Mode mode_;
  profile::Profile& profile_;
  device::Stream stream_;
  device::Arena arena_;
  Activations<T> act_;
  parallel::TokenSplit<T> rows_;
  float* rope_table_;
  std::vector<double> block_sums_;
  PartStore<T>* store_ = nullptr;  // of the pass under way; null if it has none
  bool watches_ = false;
  std::size_t first_of_blocks_ = kAllFinite;  // of the last forward pass under watch
};

}  // namespace isoflop::model
