// Operands of the vector kernels (vector_product.hpp) expanded to fp32: a word is a position. The
// chains of bf16 products are then ordinary fused multiply-adds over every other position.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/block_product.hpp"
#include "kernels/cpu/vector_moves.hpp"
#include "kernels/cpu/vector_tile.hpp"

namespace isoflop::kernels::cpu {
namespace {

template <class Lanes, class T>
ISOFLOP_INLINE typename Lanes::Float widen(const T* from) {
  if constexpr (std::is_same_v<T, float>) {
    return load<typename Lanes::Float>(from);
  } else {
    const auto halves = load<typename Lanes::Half>(from);
    return as<typename Lanes::Float>(Lanes::widen(halves) << 16);
  }
}

/// to [padded] = from [count], then zeros.
template <class Lanes, class T>
ISOFLOP_INLINE void expand(const T* from, std::size_t count, std::size_t padded, float* to) {
  std::size_t i = 0;
  for (; i + Lanes::width <= count; i += Lanes::width) store(to + i, widen<Lanes>(from + i));
  for (; i < count; ++i) to[i] = static_cast<float>(from[i]);
  for (; i < padded; ++i) to[i] = 0.0f;
}

// ---- packing of b ------------------------------------------------------------------------------

/// to [unit][stride]: `unit` positions of `Lanes::width` columns of b, whose lines lie along the
/// depth.
template <class Lanes, bool full, class T>
ISOFLOP_INLINE void pack_square(const Operand<T>& b, std::size_t columns, std::size_t depth,
                                std::size_t position, std::size_t stride, float* to) {
  using Float = typename Lanes::Float;
  typename Lanes::Word square[Lanes::width];
  load_square<Lanes, full>(b, columns, depth, position, square);
  transpose<Lanes>(square);
#pragma GCC unroll 16
  for (int i = 0; i < Lanes::width; ++i) {
    if constexpr (std::is_same_v<T, float>) {
      store(to + i * stride, as<Float>(square[i]));
    } else {
      store(to + std::size_t{2} * i * stride, as<Float>(square[i] << 16));
      store(to + (2 * i + 1) * stride, as<Float>(square[i] & 0xFFFF0000u));
    }
  }
}

/// to [depth rounded up][stride]: `Lanes::width` columns of b, whose lines lie along the depth.
template <class Lanes, class T>
void pack_transposed(const Operand<T>& b, std::size_t columns, std::size_t depth,
                     std::size_t stride, float* to) {
  constexpr std::size_t unit = sizeof(typename Lanes::Word) / sizeof(T);  // positions a square
  const std::size_t padded_depth = round_up(depth, kDepthStep);
  for (std::size_t position = 0; position < padded_depth; position += unit) {
    float* target = to + position * stride;
    if (columns >= Lanes::width && position + unit <= depth) {
      pack_square<Lanes, true>(b, columns, depth, position, stride, target);
    } else {
      pack_square<Lanes, false>(b, columns, depth, position, stride, target);
    }
  }
}

// ---- rows of a ---------------------------------------------------------------------------------

/// to [width][stride] = `Lanes::width` lines x as many positions of a, whose lines lie side by
/// side. Unless `full`, zeros beyond `lines` and the depth.
template <class Lanes, bool full, class T>
ISOFLOP_INLINE void expand_transposed(const Operand<T>& a, std::size_t lines, std::size_t depth,
                                      float* to, std::size_t stride) {
  using Word = typename Lanes::Word;
  Word square[Lanes::width];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Lanes::width; ++i) {
    const T* from = a.data + i * a.stride;
    if constexpr (full) {
      square[i] = as<Word>(widen<Lanes>(from));
    } else {
      float partial[Lanes::width] = {};
      if (i < depth) expand<Lanes>(from, std::min<std::size_t>(lines, Lanes::width), 0, partial);
      square[i] = load<Word>(partial);
    }
  }
  transpose<Lanes>(square);
#pragma GCC unroll 16
  for (int i = 0; i < Lanes::width; ++i) store(to + i * stride, square[i]);
}

/// The same for all rows and positions of a block, filled with zeros to whole tiles and steps.
template <class Lanes, class T>
void expand_block_transposed(const Operand<T>& a, std::size_t rows, std::size_t depth, float* to,
                             std::size_t stride) {
  const std::size_t padded_rows = round_up(rows, Lanes::rows);
  const std::size_t padded_depth = round_up(depth, kDepthStep);
  for (std::size_t position = 0; position < padded_depth; position += Lanes::width) {
    const std::size_t positions = depth > position ? depth - position : 0;
    for (std::size_t row = 0; row < padded_rows; row += Lanes::width) {
      const std::size_t lines = lines_left(rows, row);
      const Operand<T> from = a.from(row, position);
      float* target = to + row * stride + position;
      if (lines >= Lanes::width && positions >= Lanes::width) {
        expand_transposed<Lanes, true>(from, lines, positions, target, stride);
      } else {
        expand_transposed<Lanes, false>(from, lines, positions, target, stride);
      }
    }
  }
}

/// to [kRowBlock][stride] = rows x depth of a, filled with zeros to whole tiles and steps.
template <class Lanes, class T>
void expand_block(const Operand<T>& a, std::size_t rows, std::size_t depth, float* to,
                  std::size_t stride) {
  if (a.along == Contiguous::line) {
    expand_block_transposed<Lanes>(a, rows, depth, to, stride);
    return;
  }
  const std::size_t padded_rows = round_up(rows, Lanes::rows);
  const std::size_t padded_depth = round_up(depth, kDepthStep);
  for (std::size_t row = 0; row < rows; ++row) {
    expand<Lanes>(a.data + row * a.stride, depth, padded_depth, to + row * stride);
  }
  for (std::size_t row = rows; row < padded_rows; ++row) {
    std::fill_n(to + row * stride, padded_depth, 0.0f);
  }
}

// ---- chains ------------------------------------------------------------------------------------

/// sums [rows][V] += kDepthStep positions of a b, each step-th of them from the first on. Unrolled:
/// a core that it shares with another thread issues hardly more than the multiply-adds and loads.
template <class Lanes, int V, int step>
ISOFLOP_INLINE void extend_chains(RowWords a, const float* b, Sums<Lanes, V>& sums) {
#pragma GCC unroll 8
  for (std::size_t i = 0; i < kDepthStep; i += step) {
    add_products<Lanes, V>(a.at(i), b + i * V * Lanes::width, sums);
  }
}

template <class L, class T>
struct FloatOperands {
  using Lanes = L;
  using Element = T;
  static constexpr bool sums_in_registers = std::is_same_v<T, float>;
  static constexpr std::size_t sweep = sums_in_registers ? 256 : 128;
  static constexpr std::size_t step_of_rows = kDepthStep;

  static constexpr std::size_t words(std::size_t positions) { return positions; }

  static void pack_panel(const Operand<T>& b, std::size_t columns, std::size_t depth,
                         std::size_t stride, float* to) {
    const std::size_t padded_depth = round_up(depth, kDepthStep);
    if (b.along == Contiguous::line) {
      for (std::size_t position = 0; position < depth; ++position) {
        expand<Lanes>(b.data + position * b.stride, columns, stride, to + position * stride);
      }
      std::fill(to + depth * stride, to + padded_depth * stride, 0.0f);
    } else {
      for (std::size_t column = 0; column < columns; column += Lanes::width) {
        pack_transposed<Lanes>(b.from(column, 0), columns - column, depth, stride, to + column);
      }
    }
  }

  /// The expanded block, or a itself where it already is one.
  static RowWords rows_of_block(const Operand<T>& a, std::size_t rows, std::size_t depth, float* to,
                                std::size_t stride) {
    if constexpr (std::is_same_v<T, float>) {
      const bool whole_tiles = rows % Lanes::rows == 0 && depth % kDepthStep == 0;
      if (a.along == Contiguous::depth && whole_tiles) return {a.data, a.stride};
    }
    expand_block<Lanes>(a, rows, depth, to, stride);
    return {to, stride};
  }

  static RowWords rows_of_tile(RowWords block, std::size_t row, std::size_t position) {
    return block.at(row * block.stride + position);
  }

  /// One chain of all positions.
  template <int V>
  ISOFLOP_INLINE static void extend(RowWords a, const float* b, Sums<Lanes, V>& sums) {
    extend_chains<Lanes, V, 1>(a, b, sums);
  }
  template <int V>
  ISOFLOP_INLINE static void extend_even(RowWords a, const float* b, Sums<Lanes, V>& sums) {
    extend_chains<Lanes, V, 2>(a, b, sums);
  }
  template <int V>
  ISOFLOP_INLINE static void extend_odd(RowWords a, const float* b, Sums<Lanes, V>& sums) {
    extend_chains<Lanes, V, 2>(a.at(1), b + V * Lanes::width, sums);
  }
};

}  // namespace
}  // namespace isoflop::kernels::cpu
