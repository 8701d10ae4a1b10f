#include "model/parameters.hpp"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "core/integers.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::model {
namespace {

std::size_t product(const std::vector<std::size_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>{});
}

std::size_t count_of(const std::vector<Pieces>& pieces) {
  std::size_t count = 0;
  for (const Pieces& piece : pieces) count += piece.count();
  return count;
}

}  // namespace

ParameterTable::ParameterTable(const ModelConfig& c, const Split& split) : split_(split) {
  begin_part();
  add("embedding.tokens", {c.vocabulary, c.width}, Role::token_embedding, Rows{{c.vocabulary}});
  if (c.position == Position::learned) {
    position_embedding_ = add("embedding.positions", {c.context, c.width}, Role::position_embedding,
                              Rows{{c.context}});
  }
  for (std::size_t layer = 0; layer < c.layers; ++layer) {
    begin_part();
    block_ = add_block(layer, c);
  }
  begin_part();
  final_norm_ = add_norm("final_norm", c);
  end_replicated();
  if (!c.tied) {
    head_ = parts_.back().begin +
            add("head", {c.vocabulary, c.width}, Role::head, Rows{{c.vocabulary}});
  }
  parts_.back().end = size_;
}

BlockOffsets ParameterTable::add_block(std::size_t layer, const ModelConfig& c) {
  const std::string prefix = fmt::format("blocks.{}.", layer);
  BlockOffsets block;
  block.attention_norm = add_norm(prefix + "attention.norm", c);
  block.feed_forward_norm = add_norm(prefix + "feed_forward.norm", c);
  end_replicated();
  const std::size_t queries = c.heads * c.head_width(), keys = c.kv_heads * c.head_width();
  const bool gated = c.activation == Activation::swiglu;
  block.qkv = add(prefix + "attention.qkv", {c.qkv_width(), c.width}, Role::matrix,
                  Rows{{queries, keys, keys}});
  block.attention_out =
      add(prefix + "attention.out", {c.width, queries}, Role::residual_matrix, Columns{});
  block.up =
      add(prefix + "feed_forward.up", {c.up_width(), c.width}, Role::matrix,
          Rows{gated ? std::vector{c.feed_forward, c.feed_forward} : std::vector{c.feed_forward}});
  block.down = add(prefix + "feed_forward.down", {c.width, c.feed_forward}, Role::residual_matrix,
                   Columns{});
  return block;
}

void ParameterTable::begin_part() {
  align(kernels::kSumBlock);
  if (!parts_.empty()) parts_.back().end = size_;
  parts_.push_back({size_, size_});
  replicated_.push_back({size_, size_});
}

// What was added to the part so far is all on every rank, what comes is cut.
void ParameterTable::end_replicated() {
  if (split_.ranks == 1) return;
  size_ = round_up(size_, kernels::kSumBlock);
  replicated_.back().end = size_;
}

std::vector<Pieces> ParameterTable::cut_for(const Split& split,
                                            const std::vector<std::size_t>& shape, const Cut& cut) {
  const std::size_t width = shape.back(), whole = product(shape);
  if (split.ranks == 1 || std::holds_alternative<Whole>(cut)) return {{0, 1, whole, whole}};
  if (std::holds_alternative<Columns>(cut)) {
    const parallel::Extent held = split.share(width);
    return {{held.begin, whole / width, held.size(), width}};
  }
  std::vector<Pieces> pieces;
  std::size_t row = 0;
  for (const std::size_t size : std::get<Rows>(cut).groups) {
    const parallel::Extent held = split.share(size);
    pieces.push_back({(row + held.begin) * width, 1, held.size() * width, size * width});
    row += size;
  }
  return pieces;
}

std::size_t ParameterTable::add(std::string name, std::vector<std::size_t> shape, Role role,
                                const Cut& cut) {
  const std::size_t offset = size_, whole_offset = whole_size_;
  // The first rank has most; the others leave as much room.
  size_ += count_of(cut_for({split_.ranks, 0}, shape, cut));
  whole_size_ += product(shape);
  std::vector<Pieces> pieces = cut_for(split_, shape, cut);
  const std::size_t count = count_of(pieces);
  parameters_.push_back(
      {std::move(name), std::move(shape), whole_offset, offset, count, role, std::move(pieces)});
  align(kTensorAlignment);
  return offset - parts_.back().begin;
}

void ParameterTable::align(std::size_t multiple) {
  size_ = round_up(size_, multiple);
  whole_size_ = round_up(whole_size_, multiple);
}

NormOffsets ParameterTable::add_norm(const std::string& name, const ModelConfig& config) {
  NormOffsets offsets{};
  offsets.gain = add(name + ".gain", {config.width}, Role::gain, Whole{});
  if (config.norm == kernels::NormKind::layer)
    offsets.bias = add(name + ".bias", {config.width}, Role::bias, Whole{});
  return offsets;
}

std::size_t ParameterTable::n_total() const {
  std::size_t total = 0;
  for (const Parameter& parameter : parameters_) total += parameter.count;
  return total;
}

std::size_t ParameterTable::n_non_embedding() const {
  std::size_t total = 0;
  for (const Parameter& parameter : parameters_)
    total += parameter.is_embedding() ? 0 : parameter.count;
  return total;
}

float initial_deviation(const Parameter& parameter, const ModelConfig& config) {
  const auto inputs = static_cast<double>(parameter.shape.back());  // of the whole tensor
  switch (parameter.role) {
    case Role::matrix:
      return static_cast<float>(1.0 / std::sqrt(inputs));
    case Role::residual_matrix:
      return static_cast<float>(1.0 / std::sqrt(inputs * 2.0 * static_cast<double>(config.layers)));
    case Role::token_embedding:
    case Role::position_embedding:
    case Role::head:
      return static_cast<float>(
          0.5 / std::sqrt(inputs));  // logits of a normed row deviate by 0.5 at any width
    case Role::gain:
    case Role::bias:
      break;
  }
  return 0.0f;
}

}  // namespace isoflop::model
