// What attention asks of an arithmetic: operands of one head packed for products, blocks of softmax
// weights, and the product itself. FloatEngine multiplies floats; tokens and channels are padded
// with zeros to whole vectors.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/float_products.hpp"

namespace isoflop::kernels::cpu {

inline constexpr std::size_t kBlock = 64;  // queries, and keys, whose weights lie in cache together

constexpr std::size_t padded(std::size_t count, std::size_t step) {
  return (count + step - 1) / step * step;
}

/// Hands out pieces of a workspace, on cache lines; without memory it only counts bytes.
class Arena {
 public:
  explicit Arena(std::byte* memory) : memory_(memory) {}

  template <class Element>
  Element* take(std::size_t count) {
    const std::size_t offset = used_;
    used_ += padded(count * sizeof(Element), 64);
    return memory_ == nullptr ? nullptr : reinterpret_cast<Element*>(memory_ + offset);
  }

  std::size_t used() const { return used_; }

 private:
  std::byte* memory_;
  std::size_t used_ = 0;
};

/// Rows of one head inside a tensor of all.
template <class T>
struct HeadView {
  T* data;
  std::size_t stride;  // elements between tokens
};

/// One head: context tokens of width channels.
struct HeadExtent {
  std::size_t context, width;

  std::size_t tokens() const { return padded(context, kLanes); }
  std::size_t channels() const { return padded(width, kLanes); }
  std::size_t blocks() const { return (context + kBlock - 1) / kBlock; }
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
  const std::size_t channels = std::min(kLanes, extent.width - channel);
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
    for (std::size_t channel = 0; channel < extent.width; channel += kLanes) visit(token, channel);
  }
}

/// target [tokens of the block, width] = source [channels, tokens of the block] times a factor for
/// each token, rounded to T.
template <class T>
inline void write_block(const HeadExtent& extent, std::size_t block, Target source,
                        const float* factors, HeadView<T> target) {
  for (std::size_t t = 0; t < extent.block_size(block); t += kLanes) {
    const Lanes factor = load(factors + t);
    const std::size_t token = block * kBlock + t;
    const std::size_t tokens = std::min(kLanes, extent.context - token);
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

class FloatEngine {
 public:
  using Left = LeftBlock;
  using Right = RightBlock;
  static constexpr std::size_t kStrip = 32;  // finest part of a block that a product may skip

  class Tensor {
   public:
    Tensor(Arena& arena, const HeadExtent& extent, unsigned uses) : extent_(extent) {
      const std::size_t size = extent.blocks() * kBlock * extent.channels();
      if ((uses & ~kRightColumns) != 0) rows_ = arena.take<float>(size);
      if ((uses & kRightColumns) != 0) columns_ = arena.take<float>(size);
    }

    template <class T>
    void pack(HeadView<const T> source) {
      const std::size_t channels = extent_.channels();
      for_squares(extent_, [&](std::size_t token, std::size_t channel) {
        Lanes square[kLanes];
        load_square(extent_, source, token, channel, square);
        if (rows_ != nullptr) {
          for (std::size_t t = 0; t < kLanes; ++t) {
            store(rows_ + (token + t) * channels + channel, square[t]);
          }
        }
        if (columns_ == nullptr) return;
        transpose(square);
        float* columns = columns_ + token / kBlock * kBlock * channels + token % kBlock;
        for (std::size_t c = 0; c < kLanes; ++c) {
          store(columns + (channel + c) * kBlock, square[c]);
        }
      });
    }

    Left left(std::size_t token) const { return {row(token), extent_.channels(), 1}; }
    Left left_transposed(std::size_t token) const { return {row(token), 1, extent_.channels()}; }
    Right right_rows(std::size_t token) const { return {row(token), extent_.channels()}; }
    Right right_columns(std::size_t block) const {
      return {columns_ + block * kBlock * extent_.channels(), kBlock};
    }

   private:
    const float* row(std::size_t token) const { return rows_ + token * extent_.channels(); }

    HeadExtent extent_;
    float* rows_ = nullptr;     // [tokens, channels]
    float* columns_ = nullptr;  // [blocks][channels, tokens of the block]
  };

  /// A block [keys, queries] of weights, or of their gradients.
  class Weights {
   public:
    explicit Weights(Arena& arena) : data_(arena.take<float>(kBlock * kBlock)) {}

    /// Where the product before puts its result: put() may overwrite what has been read.
    Target raw() { return {data_, kBlock}; }
    /// Two rows of 16 queries: key, which is even, and the next.
    void put(std::size_t key, std::size_t query, const Lanes& first, const Lanes& second) {
      store(data_ + key * kBlock + query, first);
      store(data_ + (key + 1) * kBlock + query, second);
    }
    Left left() const { return {data_, kBlock, 1}; }
    Right right() const { return {data_, kBlock}; }

   private:
    float* data_;
  };

  static void multiply(std::size_t rows, std::size_t columns, std::size_t depth, Left a, Right b,
                       Target c, bool accumulate) {
    cpu::multiply(rows, columns, depth, a, b, c, accumulate);
  }
};

}  // namespace isoflop::kernels::cpu
