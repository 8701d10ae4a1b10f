#include "model/activations.hpp"

#include <algorithm>

#include "core/bf16.hpp"

namespace isoflop::model {
namespace {

// A chunk's fp32 logits stay below this, unless that leaves too few rows to pay for packing the
// head's weights.
constexpr std::size_t kLogitBytes = std::size_t{16} << 20;
constexpr std::size_t kFewestRows = 256;
constexpr std::size_t kRowMultiple = 32;  // what the products reduce over at once

template <class T>
typename Activations<T>::Block lay_out_block(device::Arena& arena, const ModelConfig& c,
                                             std::size_t batch) {
  const std::size_t m = batch * c.context;
  typename Activations<T>::Block block;
  block.x = arena.take<T>(m * c.width);
  block.normed = arena.take<T>(m * c.width);
  block.statistics = arena.take<float>(m * 2);
  block.qkv = arena.take<T>(m * c.qkv_width());
  block.lse = arena.take<float>(m * c.heads);
  block.attended = arena.take<T>(m * c.width);
  block.x_middle = arena.take<T>(m * c.width);
  block.normed_middle = arena.take<T>(m * c.width);
  block.statistics_middle = arena.take<float>(m * 2);
  block.up = arena.take<T>(m * c.up_width());
  block.active = arena.take<T>(m * c.feed_forward);
  return block;
}

}  // namespace

std::size_t head_chunk_rows(const ModelConfig& config, std::size_t tokens) {
  const std::size_t fitting =
      kLogitBytes / (sizeof(float) * config.vocabulary) / kRowMultiple * kRowMultiple;
  return std::min(tokens, std::max(kFewestRows, fitting));
}

template <class T>
Activations<T> lay_out_activations(device::Arena& arena, const ModelConfig& c, std::size_t batch,
                                   Mode mode) {
  const std::size_t m = batch * c.context;
  const std::size_t chunk = head_chunk_rows(c, m);
  Activations<T> act{};
  if (mode == Mode::training) {
    for (std::size_t layer = 0; layer < c.layers; ++layer)
      act.blocks.push_back(lay_out_block<T>(arena, c, batch));
  } else {
    act.blocks.assign(c.layers, lay_out_block<T>(arena, c, batch));
  }
  act.x_final = arena.take<T>(m * c.width);
  act.normed_final = arena.take<T>(m * c.width);
  act.statistics_final = arena.take<float>(m * 2);
  act.branch = arena.take<T>(m * c.width);
  act.logits = arena.take<float>(chunk * c.vocabulary);
  act.losses = arena.take<float>(m);
  if (mode == Mode::evaluation) return act;
  const bool up_in_place = c.activation == Activation::gelu;
  act.d_logits = arena.take<T>(chunk * c.vocabulary);
  act.d_residual = arena.take<T>(m * c.width);
  act.d_normed = arena.take<T>(m * c.width);
  act.d_wide = arena.take<T>(m * std::max(c.qkv_width(), up_in_place ? 0 : c.up_width()));
  act.d_inner = arena.take<T>(m * std::max(c.width, c.feed_forward));
  return act;
}

template Activations<float> lay_out_activations(device::Arena&, const ModelConfig&, std::size_t,
                                                Mode);
template Activations<bf16> lay_out_activations(device::Arena&, const ModelConfig&, std::size_t,
                                               Mode);

}  // namespace isoflop::model
