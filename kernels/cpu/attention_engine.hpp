// What every arithmetic of attention (attention_float.hpp, attention_tiles.hpp) shares: memory, the
// extent of a head, and the way between rows of tensors and packed squares of 16 x 16.
//
// An engine has
//   Left, Right   operands of a product, with at(row, position) and at(position, column)
//   Tensor        rows of one head, packed for the places in products where it will stand
//   Weights       a block [keys, queries] of softmax weights or their gradients, both operands
//   multiply(rows, columns, depth, left, right, target, accumulate)
//   kPadding      tokens and channels are padded to multiples of it, with zeros
//   kDepthPadding likewise the channels that are summed over
//   kStrip        finest part of a block that a product may skip
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/integers.hpp"
#include "device/arena.hpp"
#include "kernels/cpu/lanes.hpp"

namespace isoflop::kernels::cpu {

using device::Arena;

inline constexpr std::size_t kBlock = 64;  // queries, and keys, whose weights lie in cache together

/// A block of results, rows contiguous.
struct Target {
  float* data;
  std::size_t row;

  Target at(std::size_t i, std::size_t column) const { return {data + i * row + column, row}; }
};

/// Rows of one head inside a tensor of all.
template <class T>
struct HeadView {
  T* data;
  std::size_t stride;  // elements between tokens
};

/// One head: context tokens of width channels, both padded to multiples of `step`.
struct HeadExtent {
  std::size_t context, width, step;

  std::size_t tokens() const { return round_up(context, step); }
  std::size_t channels() const { return round_up(width, step); }
  std::size_t blocks() const { return ceil_div(context, kBlock); }
  /// Padded tokens of a block.
  std::size_t block_size(std::size_t block) const {
    return std::min(kBlock, tokens() - block * kBlock);
  }
};

// Rows of one head are a few cache lines each, far apart: too short for the processor to notice a
// stream, so the rows of the next sixteen tokens are asked for while these are worked on.
template <class T>
inline void prefetch_row(const HeadExtent& extent, HeadView<const T> rows, std::size_t token,
                         std::size_t channel) {
  __builtin_prefetch(rows.data + std::min(token, extent.context - 1) * rows.stride + channel, 0);
}
template <class T>
inline void prefetch_target(const HeadExtent& extent, HeadView<T> rows, std::size_t token,
                            std::size_t channel) {
  __builtin_prefetch(rows.data + std::min(token, extent.context - 1) * rows.stride + channel, 1);
}

/// Sixteen tokens from `token` on, sixteen channels from `channel` on; zeros where there are none.
template <class T>
inline void load_square(const HeadExtent& extent, HeadView<const T> source, std::size_t token,
                        std::size_t channel, Lanes (&rows)[kLanes]) {
  const std::size_t channels = std::min(kLanes, extent.width - std::min(extent.width, channel));
#pragma GCC unroll 16
  for (std::size_t t = 0; t < kLanes; ++t) {
    prefetch_row(extent, source, token + kLanes + t, channel);
    rows[t] = token + t < extent.context
                  ? load_some(source.data + (token + t) * source.stride + channel, channels)
                  : broadcast(0.0f);
  }
}

/// Calls visit(token, channel) for all squares of 16 tokens and 16 channels.
template <class Visit>
inline void for_squares(const HeadExtent& extent, Visit visit) {
  for (std::size_t token = 0; token < extent.tokens(); token += kLanes) {
    for (std::size_t channel = 0; channel < extent.channels(); channel += kLanes) {
      visit(token, channel);
    }
  }
}

/// target [tokens of the block, width] = source [channels, tokens of the block] times a factor for
/// each token, rounded to T.
template <class T>
inline void write_block(const HeadExtent& extent, std::size_t block, Target source,
                        const float* factors, HeadView<T> target) {
  const std::size_t first = block * kBlock, last = std::min(first + kBlock, extent.context);
  for (std::size_t token = first; token < last; token += kLanes) {
    const std::size_t t = token - first;
    const Lanes factor = load(factors + t);
    const std::size_t tokens = std::min(kLanes, last - token);
    for (std::size_t channel = 0; channel < extent.width; channel += kLanes) {
      Lanes square[kLanes];
#pragma GCC unroll 16
      for (std::size_t c = 0; c < kLanes; ++c) {
        square[c] = load(source.at(channel + c, t).data) * factor;
      }
      transpose(square);
      alignas(64) float rows[kLanes][kLanes];
#pragma GCC unroll 16
      for (std::size_t r = 0; r < kLanes; ++r) store(rows[r], square[r]);
      for (std::size_t r = 0; r < tokens; ++r) {
        prefetch_target(extent, target, token + kLanes + r, channel);
        store_some(target.data + (token + r) * target.stride + channel,
                   std::min(kLanes, extent.width - channel), load(rows[r]));
      }
    }
  }
}

/// target rows = factor * source rows, rounded to T; only what is no padding.
template <class T>
inline void write_rows(const HeadExtent& extent, float factor, const float* source,
                       HeadView<T> target) {
  for (std::size_t t = 0; t < extent.context; ++t) {
    for (std::size_t c = 0; c < extent.width; c += kLanes) {
      prefetch_target(extent, target, t + kLanes, c);
      store_some(target.data + t * target.stride + c, std::min(kLanes, extent.width - c),
                 broadcast(factor) * load(source + t * extent.channels() + c));
    }
  }
}

/// In which places of products a packed tensor will stand.
enum TensorUse : unsigned {
  kLeft = 1,            // rows are tokens
  kLeftTransposed = 2,  // rows are channels
  kRightRows = 4,       // tokens are summed over, channels are columns
  kRightColumns = 8,    // channels are summed over, tokens are columns
};

}  // namespace isoflop::kernels::cpu
