// Operands of the vector kernels (vector_product.hpp) as pairs of bf16, for the instruction that
// multiplies them (VDPBF16PS): c + upper a upper b, rounded, + lower a lower b, rounded. A pair of
// two positions of the same parity is thus two links of that parity's chain, and the sums have the
// bits of the tile unit at two multiply-adds a lane and instruction.
#pragma once

#include <algorithm>

#include "kernels/cpu/block_product.hpp"
#include "kernels/cpu/pair_square.hpp"
#include "kernels/cpu/vector_moves.hpp"
#include "kernels/cpu/vector_tile.hpp"

namespace isoflop::kernels::cpu {
namespace {

constexpr std::size_t kChainWords = kDepthStep / 4;  // of one parity in a step

/// Of the sixteen words of a step the first half are its even positions, the others the odd ones:
/// (2, 0), (6, 4), ..., (3, 1), (7, 5), ... as (lower, upper).
struct PairsInChains {
  static constexpr std::size_t upper_position(std::size_t w) {
    return 4 * (w % kChainWords) + w / kChainWords;
  }
  static constexpr std::size_t lower_position(std::size_t w) { return upper_position(w) + 2; }
};

/// Both chains and the sums fit into 32 registers. Of all such shapes one vector needs the fewest
/// instructions: a load of b for eight multiply-adds, which fetch and broadcast their words of a.
struct PairTile {
  static constexpr int vectors = 1, rows = 8;
};

template <class L>
struct PairOperands {
  using Lanes = L;
  using Element = bf16;
  static constexpr bool sums_in_registers = true;
  static constexpr std::size_t sweep = 512;  // 16 KiB of a panel

  static_assert(Lanes::width == 2 * kChainWords, "a square holds one step of the depth");

  static constexpr std::size_t words(std::size_t positions) { return positions / 2; }

  static void pack_panel(const Operand<bf16>& b, std::size_t columns, std::size_t depth,
                         std::size_t stride, float* to) {
    for (std::size_t position = 0; position < depth; position += kDepthStep) {
      for (std::size_t column = 0; column < columns; column += Lanes::width) {
        pack_pair_square<Lanes, PairsInChains, SquareRow::word>(
            b.from(column, 0), columns - column, depth, position,
            to + words(position) * stride + column, stride);
      }
    }
  }

  /// Squares lie whole, so that the lines of a tile are one stream.
  static constexpr std::size_t step_of_rows = std::size_t{Lanes::width} * Lanes::width;

  /// to [rows / width][steps][width][width]
  static RowWords rows_of_block(const Operand<bf16>& a, std::size_t rows, std::size_t depth,
                                float* to, std::size_t stride) {
    // rows that lie side by side are read along them
    const std::size_t run = a.along == Contiguous::line ? kDepthStep : depth;
    for (std::size_t first = 0; first < depth; first += run) {
      for (std::size_t row = 0; row < rows; row += Lanes::width) {
        for (std::size_t position = first; position < std::min(first + run, depth);
             position += kDepthStep) {
          pack_pair_square<Lanes, PairsInChains, SquareRow::line>(
              a.from(row, 0), rows - row, depth, position,
              to + row * stride + words(position) * Lanes::width, Lanes::width);
        }
      }
    }
    return {to, stride};
  }

  static RowWords rows_of_tile(RowWords block, std::size_t row, std::size_t position) {
    const std::size_t line = row % Lanes::width;
    return {block.data + (row - line) * block.stride + (words(position) + line) * Lanes::width,
            Lanes::width};
  }

  template <int V>
  ISOFLOP_INLINE static void extend(RowWords a, const float* b, Sums<Lanes, V>& sums) {
    Sums<Lanes, V> even, odd;
    // a.stride is Lanes::width, which as a constant costs no address
    multiply_chain<V>(a.data, b, even);
    multiply_chain<V>(a.data + kChainWords, b + kChainWords * V * Lanes::width, odd);
#pragma GCC unroll 8
    for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[row][v] += even[row][v] + odd[row][v];
    }
  }

 private:
  template <int V>
  ISOFLOP_INLINE static void multiply_chain(const float* a, const float* b, Sums<Lanes, V>& chain) {
    clear_sums<Lanes, V>(chain);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kChainWords; ++i) {
      typename Lanes::Float right[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        right[v] = load<typename Lanes::Float>(b + (i * V + v) * Lanes::width);
      }
#pragma GCC unroll 8
      for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          chain[row][v] = Lanes::add_pairs(a + row * Lanes::width + i, right[v], chain[row][v]);
        }
      }
    }
  }
};

}  // namespace
}  // namespace isoflop::kernels::cpu
