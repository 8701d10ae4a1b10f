#include "model/parameters.hpp"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "kernels/api/optimizer.hpp"

namespace isoflop::model {

ParameterTable::ParameterTable(const ModelConfig& c) {
  begin_part();
  add("embedding.tokens", {c.vocabulary, c.width}, Role::token_embedding);
  if (c.position == Position::learned) {
    position_embedding_ =
        add("embedding.positions", {c.context, c.width}, Role::position_embedding);
  }
  for (std::size_t layer = 0; layer < c.layers; ++layer) {
    begin_part();
    block_ = add_block(layer, c);
  }
  begin_part();
  final_norm_ = add_norm("final_norm", c);
  if (!c.tied) head_ = parts_.back().begin + add("head", {c.vocabulary, c.width}, Role::head);
  parts_.back().end = size_;
}

BlockOffsets ParameterTable::add_block(std::size_t layer, const ModelConfig& c) {
  const std::string prefix = fmt::format("blocks.{}.", layer);
  BlockOffsets block;
  block.attention_norm = add_norm(prefix + "attention.norm", c);
  block.feed_forward_norm = add_norm(prefix + "feed_forward.norm", c);
  block.qkv = add(prefix + "attention.qkv", {c.qkv_width(), c.width}, Role::matrix);
  block.attention_out =
      add(prefix + "attention.out", {c.width, c.heads * c.head_width()}, Role::residual_matrix);
  block.up = add(prefix + "feed_forward.up", {c.up_width(), c.width}, Role::matrix);
  block.down = add(prefix + "feed_forward.down", {c.width, c.feed_forward}, Role::residual_matrix);
  return block;
}

void ParameterTable::begin_part() {
  align(kernels::kSumBlock);
  if (!parts_.empty()) parts_.back().end = size_;
  parts_.push_back({size_, size_});
}

std::size_t ParameterTable::add(std::string name, std::vector<std::size_t> shape, Role role) {
  const std::size_t count =
      std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>{});
  const std::size_t offset = size_;
  parameters_.push_back({std::move(name), std::move(shape), offset, count, role});
  size_ = offset + count;
  align(kTensorAlignment);
  return offset - parts_.back().begin;
}

void ParameterTable::align(std::size_t multiple) {
  size_ = (size_ + multiple - 1) / multiple * multiple;
}

NormOffsets ParameterTable::add_norm(const std::string& name, const ModelConfig& config) {
  NormOffsets offsets{};
  offsets.gain = add(name + ".gain", {config.width}, Role::gain);
  if (config.norm == kernels::NormKind::layer)
    offsets.bias = add(name + ".bias", {config.width}, Role::bias);
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
  const auto inputs = static_cast<double>(parameter.shape.back());
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
