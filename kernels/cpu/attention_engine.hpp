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

/// target[c][r] = source[r][c]; rows and columns are multiples of 16.
inline void transpose(std::size_t rows, std::size_t columns, const float* source,
                      std::size_t source_row, float* target, std::size_t target_row) {
  for (std::size_t r = 0; r < rows; r += kLanes) {
    for (std::size_t c = 0; c < columns; ++c) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        target[c * target_row + r + lane] = source[(r + lane) * source_row + c];
      }
    }
  }
}

/// target rows = factor * source rows, rounded to T; only what is no padding.
template <class T>
inline void store_rows(std::size_t rows, std::size_t width, float factor, const float* source,
                       std::size_t source_row, HeadView<T> target) {
  for (std::size_t r = 0; r < rows; ++r) {
    const float* from = source + r * source_row;
    T* to = target.data + r * target.stride;
    std::size_t c = 0;
    for (; c + kLanes <= width; c += kLanes) store(to + c, broadcast(factor) * load(from + c));
    for (; c < width; ++c) to[c] = T(factor * from[c]);
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
    Tensor(Arena& arena, const HeadExtent& extent, unsigned uses)
        : extent_(extent),
          rows_(arena.take<float>(extent.tokens() * extent.channels())),
          columns_((uses & kRightColumns) == 0
                       ? nullptr
                       : arena.take<float>(extent.blocks() * kBlock * extent.channels())) {}

    template <class T>
    void pack(HeadView<const T> source) {
      const std::size_t channels = extent_.channels(), width = extent_.width;
      for (std::size_t t = 0; t < extent_.context; ++t) {
        const T* from = source.data + t * source.stride;
        float* to = rows_ + t * channels;
        std::size_t c = 0;
        for (; c + kLanes <= width; c += kLanes) store(to + c, load(from + c));
        for (; c < channels; ++c) to[c] = c < width ? static_cast<float>(from[c]) : 0.0f;
      }
      std::fill(rows_ + extent_.context * channels, rows_ + extent_.tokens() * channels, 0.0f);
      for (std::size_t block = 0; columns_ != nullptr && block < extent_.blocks(); ++block) {
        transpose(extent_.block_size(block), channels, rows_ + block * kBlock * channels, channels,
                  columns_ + block * kBlock * channels, kBlock);
      }
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
    float *rows_, *columns_;
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
