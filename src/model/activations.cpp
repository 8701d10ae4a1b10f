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

// The sizes of a micro-batch on this rank.
struct Sizes {
  Sizes(const ModelConfig& c, const Split& split, std::size_t batch)
      : width(c.width),
        tokens(batch * c.context),
        rows(tokens / split.ranks),
        ranks(split.ranks),
        held(held_sizes(c, split)) {}

  std::size_t width;   // d
  std::size_t tokens;  // M
  std::size_t rows;    // m
  std::size_t ranks;
  HeldSizes held;
};

// Takes the arrays of a block that `kept` says; the others are those of `shared`.
template <class T, class IsKept>
typename Activations<T>::Block lay_out_block(device::Arena& arena, const Sizes& s, IsKept&& kept,
                                             const typename Activations<T>::Block& shared) {
  const auto take = [&]<class Value>(Value* other, Recompute by, std::size_t count) {
    return kept(by) ? arena.take<Value>(count) : other;
  };
  return {
      .x = take(shared.x, Recompute::none, s.rows * s.width),
      .normed = take(shared.normed, Recompute::attention, s.rows * s.width),
      .statistics = take(shared.statistics, Recompute::attention, s.rows * 2),
      .qkv = take(shared.qkv, Recompute::attention, s.tokens * s.held.qkv_width()),
      .lse = take(shared.lse, Recompute::attention, s.tokens * s.held.heads),
      .attended = take(shared.attended, Recompute::attention, s.tokens * s.held.attended_width()),
      .x_middle = take(shared.x_middle, Recompute::full, s.rows * s.width),
      .normed_middle = take(shared.normed_middle, Recompute::full, s.rows * s.width),
      .statistics_middle = take(shared.statistics_middle, Recompute::full, s.rows * 2),
      .up = take(shared.up, Recompute::full, s.tokens * s.held.up_width),
      .active = take(shared.active, Recompute::full, s.tokens * s.held.feed_forward),
  };
}

template <class T>
typename Activations<T>::MicroBatch lay_out_micro_batch(
    device::Arena& arena, const Sizes& s, const Stage& stage, const Room& room, Mode mode,
    const typename Activations<T>::Block& again) {
  typename Activations<T>::MicroBatch micro_batch{};
  const auto kept = [&](Recompute by) { return by == Recompute::none || by > room.recompute; };
  for (std::size_t i = 0; i < stage.blocks.size(); ++i) {
    const bool shared = mode == Mode::evaluation && i > 0;
    micro_batch.blocks.push_back(shared ? micro_batch.blocks.front()
                                        : lay_out_block<T>(arena, s, kept, again));
  }
  if (stage.head) {
    micro_batch.x_final = arena.take<T>(s.rows * s.width);
    micro_batch.normed_final = arena.take<T>(s.rows * s.width);
    micro_batch.statistics_final = arena.take<float>(s.rows * 2);
  }
  return micro_batch;
}

template <class T>
typename Activations<T>::PutOff lay_out_put_off(device::Arena& arena, const Sizes& s,
                                                const Stage& stage) {
  typename Activations<T>::PutOff put_off{};
  for (std::size_t i = 0; i < stage.blocks.size(); ++i) {
    typename Activations<T>::Gradients block;
    block.down = arena.take<T>(s.rows * s.width);
    block.up = arena.take<T>(s.tokens * s.held.up_width);
    block.normed_middle = arena.take<T>(s.rows * s.width);
    block.attention_out = arena.take<T>(s.rows * s.width);
    block.qkv = arena.take<T>(s.tokens * s.held.qkv_width());
    block.normed = arena.take<T>(s.rows * s.width);
    put_off.blocks.push_back(block);
  }
  put_off.normed_final = arena.take<T>(stage.head ? s.rows * s.width : 0);
  return put_off;
}

}  // namespace

std::size_t head_chunk_rows(const ModelConfig& config, const Split& split, std::size_t tokens) {
  const std::size_t largest = Split{split.ranks, 0}.share(config.vocabulary).size();
  const std::size_t fitting = kLogitBytes / (sizeof(float) * largest) / kRowMultiple * kRowMultiple;
  return std::min(tokens, std::max(kFewestRows, fitting));
}

template <class T>
Activations<T> lay_out_activations(device::Arena& arena, const ModelConfig& c, const Split& split,
                                   const Stage& stage, const Room& room, Mode mode) {
  const Sizes s(c, split, room.batch);
  const std::size_t vocabulary = s.held.vocabulary.size();
  const std::size_t chunk = stage.head ? head_chunk_rows(c, split, s.tokens) : 0;
  Activations<T> act{};
  const auto recomputed = [&](Recompute by) {
    return by != Recompute::none && by <= room.recompute;
  };
  act.again = lay_out_block<T>(arena, s, recomputed, {});
  for (std::size_t i = 0; i < room.in_flight; ++i)
    act.in_flight.push_back(lay_out_micro_batch<T>(arena, s, stage, room, mode, act.again));
  act.branch = arena.take<T>(s.rows * s.width);
  act.logits = arena.take<float>(chunk * vocabulary);
  act.losses = arena.take<float>(stage.head ? s.tokens : 0);
  if (s.ranks > 1) {
    act.gathered = arena.take<T>(s.tokens * s.width);
    act.partial = arena.take<T>(s.tokens * s.width);
    act.softmax = arena.take<kernels::SoftmaxPiece>((s.ranks + 2) * chunk);
  }
  if (mode == Mode::evaluation) return act;
  const bool up_in_place = c.activation == Activation::gelu;
  if constexpr (std::is_same_v<T, float>) {
    act.d_logits = act.logits;
  } else {
    act.d_logits = arena.take<T>(chunk * vocabulary);
  }
  act.d_inner = arena.take<T>(s.tokens * std::max(s.held.attended_width(), s.held.feed_forward));
  if (stage == whole_model(c)) {
    act.d_stream = arena.take<T>(s.rows * s.width);
    act.head_gradient = arena.take<float>(c.tied ? vocabulary * s.width : 0);
  }
  if (room.put_off == 0) {
    act.d_normed = arena.take<T>(s.rows * s.width);
    act.d_wide =
        arena.take<T>(s.tokens * std::max(s.held.qkv_width(), up_in_place ? 0 : s.held.up_width));
    return act;
  }
  act.unused = arena.take<float>(2 * s.width);
  for (std::size_t i = 0; i < room.put_off; ++i)
    act.put_off.push_back(lay_out_put_off<T>(arena, s, stage));
  return act;
}

template Activations<float> lay_out_activations(device::Arena&, const ModelConfig&, const Split&,
                                                const Stage&, const Room&, Mode);
template Activations<bf16> lay_out_activations(device::Arena&, const ModelConfig&, const Split&,
                                               const Stage&, const Room&, Mode);

}  // namespace isoflop::model
