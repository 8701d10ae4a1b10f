// The arithmetic of attention on floats: products of float_products.hpp on padded rows.
#pragma once

#include <cstddef>

#include "kernels/cpu/attention_engine.hpp"
#include "kernels/cpu/float_products.hpp"

namespace isoflop::kernels::cpu {

class FloatEngine {
 public:
  using Left = LeftBlock;
  using Right = RightBlock;
  static constexpr std::size_t kPadding = kLanes, kDepthPadding = 1, kStrip = 32;

  FloatEngine(Arena&, const HeadExtent&) {}

  class Tensor {
   public:
    Tensor(const FloatEngine&, Arena& arena, const HeadExtent& extent, unsigned uses)
        : extent_(extent) {
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
    Weights(const FloatEngine&, Arena& arena) : data_(arena.take<float>(kBlock * kBlock)) {}

    /// Where the product before puts its result: put() may overwrite what has been read.
    Target raw() { return {data_, kBlock}; }
    /// Two rows of 16 queries: key, which is even, and the next.
    void put(std::size_t key, std::size_t query, const Lanes& first, const Lanes& second) {
      store(data_ + key * kBlock + query, first);
      store(data_ + (key + 1) * kBlock + query, second);
    }
    Left left() const { return {data_, kBlock, 1}; }
    Right right(std::size_t, std::size_t) { return {data_, kBlock}; }

   private:
    float* data_;
  };

  void multiply(std::size_t rows, std::size_t columns, std::size_t depth, Left a, Right b, Target c,
                bool accumulate) const {
    cpu::multiply(rows, columns, depth, a, b, c, accumulate);
  }
};

}  // namespace isoflop::kernels::cpu
