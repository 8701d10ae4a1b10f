// Operands of the vector kernels (vector_product.hpp) as pairs of bf16, for the instruction that
// multiplies them (VDPBF16PS): c + upper a upper b, rounded, + lower a lower b, rounded. A pair of
// two positions of the same parity is thus two links of that parity's chain, and the sums have the
// bits of the tile unit at two multiply-adds a lane and instruction.
#pragma once

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

/// The shape for which both chains and the sums fit into 32 registers.
struct PairTile {
  static constexpr int vectors = 4, rows = 2;
};

template <class L>
struct PairOperands {
  using Lanes = L;
  using Element = bf16;
  static constexpr bool sums_in_registers = true;
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

  static RowWords rows_of_block(const Operand<bf16>& a, std::size_t rows, std::size_t depth,
                                float* to, std::size_t stride) {
    for (std::size_t position = 0; position < depth; position += kDepthStep) {
      for (std::size_t row = 0; row < rows; row += Lanes::width) {
        pack_pair_square<Lanes, PairsInChains, SquareRow::line>(
            a.from(row, 0), rows - row, depth, position, to + row * stride + words(position),
            stride);
      }
    }
    return {to, stride};
  }

  template <int V>
  ISOFLOP_INLINE static void extend(RowWords a, const float* b, Sums<Lanes, V>& sums) {
    Sums<Lanes, V> even, odd;
    multiply_chain<V>(a, b, even);
    multiply_chain<V>(a.at(kChainWords), b + kChainWords * V * Lanes::width, odd);
#pragma GCC unroll 8
    for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[row][v] += even[row][v] + odd[row][v];
    }
  }

 private:
  template <int V>
  ISOFLOP_INLINE static void multiply_chain(RowWords a, const float* b, Sums<Lanes, V>& chain) {
    clear_sums<Lanes, V>(chain);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kChainWords; ++i) {
      add_products<Lanes, V>(a.at(i), b + i * V * Lanes::width, chain);
    }
  }
};

}  // namespace
}  // namespace isoflop::kernels::cpu
