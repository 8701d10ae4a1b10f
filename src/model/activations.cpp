#include "model/activations.hpp"

#include <algorithm>
#include <type_traits>

#include "core/bf16.hpp"

namespace isoflop::model {
namespace {

// A chunk's fp32 logits stay below this, unless that leaves too few rows to pay for packing the
// head's weights.
constexpr std::size_t kLogitBytes = std::size_t{16} << 20;
constexpr std::size_t kFewestRows = 256;
constexpr std::size_t kRowMultiple = 32;  // what the products reduce over at once

// Takes the arrays of a block that `kept` says; the others are those of `shared`.
template <class T, class IsKept>
typename Activations<T>::Block lay_out_block(device::Arena& arena, const ModelConfig& c,
                                             std::size_t batch, IsKept&& kept,
                                             const typename Activations<T>::Block& shared) {
  const std::size_t m = batch * c.context;
  const auto take = [&]<class Value>(Value* other, Recompute by, std::size_t count) {
    return kept(by) ? arena.take<Value>(count) : other;
  };
  return {
      .x = take(shared.x, Recompute::none, m * c.width),
      .normed = take(shared.normed, Recompute::attention, m * c.width),
      .statistics = take(shared.statistics, Recompute::attention, m * 2),
      .qkv = take(shared.qkv, Recompute::attention, m * c.qkv_width()),
      .lse = take(shared.lse, Recompute::attention, m * c.heads),
      .attended = take(shared.attended, Recompute::attention, m * c.width),
      .x_middle = take(shared.x_middle, Recompute::full, m * c.width),
      .normed_middle = take(shared.normed_middle, Recompute::full, m * c.width),
      .statistics_middle = take(shared.statistics_middle, Recompute::full, m * 2),
      .up = take(shared.up, Recompute::full, m * c.up_width()),
      .active = take(shared.active, Recompute::full, m * c.feed_forward),
  };
}

template <class T>
typename Activations<T>::MicroBatch lay_out_micro_batch(
    device::Arena& arena, const ModelConfig& c, const Stage& stage, const Room& room, Mode mode,
    const typename Activations<T>::Block& again) {
  const std::size_t m = room.batch * c.context;
  typename Activations<T>::MicroBatch micro_batch{};
  const auto kept = [&](Recompute by) { return by == Recompute::none || by > room.recompute; };
  for (std::size_t i = 0; i < stage.blocks.size(); ++i) {
    const bool shared = mode == Mode::evaluation && i > 0;
    micro_batch.blocks.push_back(shared ? micro_batch.blocks.front()
                                        : lay_out_block<T>(arena, c, room.batch, kept, again));
  }
  if (stage.head) {
    micro_batch.x_final = arena.take<T>(m * c.width);
    micro_batch.normed_final = arena.take<T>(m * c.width);
    micro_batch.statistics_final = arena.take<float>(m * 2);
  }
  return micro_batch;
}

template <class T>
typename Activations<T>::PutOff lay_out_put_off(device::Arena& arena, const ModelConfig& c,
                                                const Stage& stage, std::size_t m) {
  typename Activations<T>::PutOff put_off{};
  for (std::size_t i = 0; i < stage.blocks.size(); ++i) {
    typename Activations<T>::Gradients block;
    block.down = arena.take<T>(m * c.width);
    block.up = arena.take<T>(m * c.up_width());
    block.normed_middle = arena.take<T>(m * c.width);
    block.attention_out = arena.take<T>(m * c.width);
    block.qkv = arena.take<T>(m * c.qkv_width());
    block.normed = arena.take<T>(m * c.width);
    put_off.blocks.push_back(block);
  }
  put_off.normed_final = arena.take<T>(stage.head ? m * c.width : 0);
  return put_off;
}

}  // namespace

std::size_t head_chunk_rows(const ModelConfig& config, std::size_t tokens) {
  const std::size_t fitting =
      kLogitBytes / (sizeof(float) * config.vocabulary) / kRowMultiple * kRowMultiple;
  return std::min(tokens, std::max(kFewestRows, fitting));
}

template <class T>
Activations<T> lay_out_activations(device::Arena& arena, const ModelConfig& c, const Stage& stage,
                                   const Room& room, Mode mode) {
  const std::size_t m = room.batch * c.context;
  const std::size_t chunk = stage.head ? head_chunk_rows(c, m) : 0;
  Activations<T> act{};
  const auto recomputed = [&](Recompute by) {
    return by != Recompute::none && by <= room.recompute;
  };
  act.again = lay_out_block<T>(arena, c, room.batch, recomputed, {});
  for (std::size_t i = 0; i < room.in_flight; ++i)
    act.in_flight.push_back(lay_out_micro_batch<T>(arena, c, stage, room, mode, act.again));
  act.branch = arena.take<T>(m * c.width);
  act.logits = arena.take<float>(chunk * c.vocabulary);
  act.losses = arena.take<float>(stage.head ? m : 0);
  if (mode == Mode::evaluation) return act;
  const bool up_in_place = c.activation == Activation::gelu;
  if constexpr (std::is_same_v<T, float>) {
    act.d_logits = act.logits;
  } else {
    act.d_logits = arena.take<T>(chunk * c.vocabulary);
  }
  act.d_inner = arena.take<T>(m * std::max(c.width, c.feed_forward));
  if (stage == whole_model(c)) {
    act.d_stream = arena.take<T>(m * c.width);
    act.head_gradient = arena.take<float>(c.tied ? c.vocabulary * c.width : 0);
  }
  if (room.put_off == 0) {
    act.d_normed = arena.take<T>(m * c.width);
    act.d_wide = arena.take<T>(m * std::max(c.qkv_width(), up_in_place ? 0 : c.up_width()));
    return act;
  }
  act.unused = arena.take<float>(2 * c.width);
  for (std::size_t i = 0; i < room.put_off; ++i)
    act.put_off.push_back(lay_out_put_off<T>(arena, c, stage, m));
  return act;
}

template Activations<float> lay_out_activations(device::Arena&, const ModelConfig&, const Stage&,
                                                const Room&, Mode);
template Activations<bf16> lay_out_activations(device::Arena&, const ModelConfig&, const Stage&,
                                               const Room&, Mode);

}  // namespace isoflop::model
