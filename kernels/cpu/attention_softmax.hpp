// The elementwise part of attention on one block [keys, queries]. A lane is a query, so that
// maxima and sums over keys need no shuffles.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/attention_engine.hpp"
#include "kernels/cpu/lanes.hpp"

namespace isoflop::kernels::cpu {

inline constexpr float kLog2E = 1.44269504088896341f;

/// A block on the diagonal, seen by 16 queries: keys [0, full) are past for all of them, keys
/// [full, some) for some, keys [some, zeros) for none but inside what products read.
struct KeyRange {
  KeyRange(std::size_t keys, std::size_t query, bool diagonal, std::size_t strip)
      : full(diagonal ? std::min(keys, query) : keys),
        some(diagonal ? std::min(keys, query + kLanes) : keys),
        zeros(diagonal ? std::min(keys, round_up(query + kLanes, strip)) : keys) {}

  std::size_t full, some, zeros;
};

/// What 64 queries know of the keys so far: the largest score, and the sum of weights relative to
/// it.
struct SoftmaxState {
  alignas(64) float top[kBlock], total[kBlock];
};

/// Lanes of queries that come at or after `key`; the others get `otherwise`. Counted inside a
/// block.
inline Lanes causal(std::size_t key, std::size_t query, const Lanes& value,
                    const Lanes& otherwise) {
  return from_lane(static_cast<std::int32_t>(key) - static_cast<std::int32_t>(query), value,
                   otherwise);
}

inline Lanes largest_score(const Target& scores, std::size_t query, const KeyRange& keys,
                           const Lanes& start) {
  Lanes top[4] = {start, start, start, start};  // four chains: a maximum takes four cycles
  std::size_t key = 0;
  for (; key + 4 <= keys.full; key += 4) {
#pragma GCC unroll 4
    for (std::size_t c = 0; c < 4; ++c) top[c] = max(top[c], load(scores.at(key + c, query).data));
  }
  for (; key < keys.full; ++key) top[0] = max(top[0], load(scores.at(key, query).data));
  for (; key < keys.some; ++key) {
    top[0] = max(top[0], causal(key, query, load(scores.at(key, query).data), top[0]));
  }
  return max(max(top[0], top[1]), max(top[2], top[3]));
}

/// Turns scores into weights 2^(scale (score - top)), updates the state, and rescales what has been
/// gathered so far (`out`, channels x queries) to the new top.
template <class Engine>
void softmax_block(std::size_t keys, std::size_t queries, bool diagonal, bool first, float scale,
                   std::size_t channels, SoftmaxState& state, typename Engine::Weights& weights,
                   Target out) {
  const Target scores = weights.raw();
  const Lanes factor = broadcast(scale), zero = broadcast(0.0f);
  for (std::size_t query = 0; query < queries; query += kLanes) {
    const KeyRange range(keys, query, diagonal, Engine::kStrip);
    const Lanes before = first ? broadcast(-__builtin_inff()) : load(state.top + query);
    const Lanes top = largest_score(scores, query, range, before);
    const Lanes offset = zero - top * factor;
    const auto weight = [&](std::size_t key) {
      return exp2(fma(load(scores.at(key, query).data), factor, offset));
    };
    Lanes even = zero, odd = zero;
    std::size_t key = 0;
    for (; key < range.full; key += 2) {
      const Lanes a = weight(key), b = weight(key + 1);
      even = even + a;
      odd = odd + b;
      weights.put(key, query, a, b);
    }
    for (; key < range.some; key += 2) {
      const Lanes a = causal(key, query, weight(key), zero);
      const Lanes b = causal(key + 1, query, weight(key + 1), zero);
      even = even + a;
      odd = odd + b;
      weights.put(key, query, a, b);
    }
    for (; key < range.zeros; key += 2) weights.put(key, query, zero, zero);

    Lanes total = even + odd;
    if (!first) {
      const Lanes shrink = exp2((before - top) * factor);
      total = fma(load(state.total + query), shrink, total);
      for (std::size_t c = 0; c < channels; ++c) {
        float* sums = out.at(c, query).data;
        store(sums, load(sums) * shrink);
      }
    }
    store(state.top + query, top);
    store(state.total + query, total);
  }
}

/// Turns scores into weights 2^(scale score - lse) and gradients of weights into gradients of
/// scores, weight * (gradient - mean); lse in powers of two.
template <class Engine>
void softmax_backward_block(std::size_t keys, std::size_t queries, bool diagonal, float scale,
                            const float* lse, const float* mean, typename Engine::Weights& weights,
                            typename Engine::Weights& gradients) {
  const Target scores = weights.raw(), d_weights = gradients.raw();
  const Lanes factor = broadcast(scale), zero = broadcast(0.0f);
  for (std::size_t query = 0; query < queries; query += kLanes) {
    const KeyRange range(keys, query, diagonal, Engine::kStrip);
    const Lanes offset = zero - load(lse + query), centre = load(mean + query);
    const auto weight = [&](std::size_t key) {
      return exp2(fma(load(scores.at(key, query).data), factor, offset));
    };
    const auto gradient = [&](std::size_t key) {
      return load(d_weights.at(key, query).data) - centre;
    };
    std::size_t key = 0;
    for (; key < range.full; key += 2) {
      const Lanes a = weight(key), b = weight(key + 1);
      const Lanes da = a * gradient(key), db = b * gradient(key + 1);
      weights.put(key, query, a, b);
      gradients.put(key, query, da, db);
    }
    for (; key < range.some; key += 2) {
      const Lanes a = causal(key, query, weight(key), zero);
      const Lanes b = causal(key + 1, query, weight(key + 1), zero);
      const Lanes da = causal(key, query, a * gradient(key), zero);
      const Lanes db = causal(key + 1, query, b * gradient(key + 1), zero);
      weights.put(key, query, a, b);
      gradients.put(key, query, da, db);
    }
    for (; key < range.zeros; key += 2) {
      weights.put(key, query, zero, zero);
      gradients.put(key, query, zero, zero);
    }
  }
}

}  // namespace isoflop::kernels::cpu
