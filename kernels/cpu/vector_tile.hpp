// The innermost part of vector_product.hpp: one tile of results, Lanes::rows x a panel of vectors.
//
// The sums stay in registers while the depth passes, where they can: floats are one chain a result,
// and in a small tile of pairs both chains have room beside it. Other bf16 is summed over 32
// positions, first the even ones, then the odd ones, and then added to the result in memory: all at
// once would leave a third of the tile, and of the arithmetic done for each load.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <utility>

#include "kernels/cpu/block_product.hpp"
#include "kernels/cpu/vector_moves.hpp"

namespace isoflop::kernels::cpu {
namespace {

/// Memory that is wanted next, fetched into the second-level cache line by line while a tile is
/// multiplied: a burst would wait for itself.
struct Ahead {
  const std::byte* data;
  std::size_t stride, length;  // bytes between pieces and of a piece
  std::size_t pieces;
  std::size_t each;      // lines for a step of the depth
  std::size_t done = 0;  // bytes of this piece

  ISOFLOP_INLINE void fetch() {
    for (std::size_t count = each; count > 0 && pieces > 0; --count) {
      __builtin_prefetch(data + done, 0, 2);
      done += 64;
      if (done >= length) {
        done = 0;
        data += stride;
        --pieces;
      }
    }
  }
};

/// Words of a as a tile reads them: rows along the depth.
struct RowWords {
  const float* data;
  std::size_t stride;  // between rows

  ISOFLOP_INLINE RowWords at(std::size_t word) const { return {data + word, stride}; }
};

template <class Lanes, int V>
using Sums = typename Lanes::Float[Lanes::rows][V];

/// sums [rows][V] += a word of each row times V vectors of b.
template <class Lanes, int V>
ISOFLOP_INLINE void add_products(RowWords a, const float* b, Sums<Lanes, V>& sums) {
  using Float = typename Lanes::Float;
  Float right[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) right[v] = load<Float>(b + v * Lanes::width);
#pragma GCC unroll 8
  for (int row = 0; row < Lanes::rows; ++row) {
    const Float factor = Lanes::broadcast(a.data + row * a.stride);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      sums[row][v] = Lanes::multiply_add(factor, right[v], sums[row][v]);
    }
  }
}

template <class Lanes, int V>
ISOFLOP_INLINE void clear_sums(Sums<Lanes, V>& sums) {
#pragma GCC unroll 8
  for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[row][v] = typename Lanes::Float{};
  }
}

/// c [rows][V * width] = (fresh ? 0 : c) + a b.
template <class Operands, int V>
ISOFLOP_INLINE void multiply_in_registers(RowWords a, const float* b, float* c,
                                          std::size_t c_stride, std::size_t positions, bool fresh,
                                          Ahead& ahead) {
  using Lanes = typename Operands::Lanes;
  using Float = typename Lanes::Float;
  Sums<Lanes, V> sums;
  if (fresh) {
    clear_sums<Lanes, V>(sums);
  } else {
#pragma GCC unroll 8
    for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[row][v] = load<Float>(c + row * c_stride + v * Lanes::width);
    }
  }
  constexpr std::size_t step_words = Operands::words(kDepthStep);
  for (; positions > 0; positions -= kDepthStep) {
    ahead.fetch();
    Operands::template extend<V>(a, b, sums);
    a = a.at(Operands::step_of_rows);
    b += step_words * V * Lanes::width;
  }
#pragma GCC unroll 8
  for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(c + row * c_stride + v * Lanes::width, sums[row][v]);
  }
}

/// c [rows][V * width] = (fresh ? 0 : c) + positions of a b, an even and an odd chain for each 32.
template <class Operands, int V>
ISOFLOP_INLINE void multiply_by_steps(RowWords a, const float* b, float* c, std::size_t c_stride,
                                      std::size_t positions, bool fresh, Ahead& ahead) {
  using Lanes = typename Operands::Lanes;
  using Float = typename Lanes::Float;
  constexpr std::size_t step_words = Operands::words(kDepthStep);
  Sums<Lanes, V> even;
  for (; positions > 0; positions -= kDepthStep) {
    ahead.fetch();
    Sums<Lanes, V> sums;
    clear_sums<Lanes, V>(sums);
    Operands::template extend_even<V>(a, b, sums);
    std::memcpy(even, sums, sizeof even);
    // keep it in memory: the odd chain needs the registers
    asm volatile("" ::"r"(even) : "memory");
    clear_sums<Lanes, V>(sums);
    Operands::template extend_odd<V>(a, b, sums);
#pragma GCC unroll 8
    for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        float* at = c + row * c_stride + v * Lanes::width;
        store(at, (fresh ? Float{} : load<Float>(at)) + (even[row][v] + sums[row][v]));
      }
    }
    fresh = false;
    a = a.at(Operands::step_of_rows);
    b += step_words * V * Lanes::width;
  }
}

/// The sum that block_product.hpp promises for the operands' type.
template <class Operands, int V>
[[gnu::noinline]] void multiply_tile(RowWords a, const float* b, float* c, std::size_t c_stride,
                                     std::size_t positions, bool fresh, Ahead& ahead) {
  if constexpr (Operands::sums_in_registers) {
    multiply_in_registers<Operands, V>(a, b, c, c_stride, positions, fresh, ahead);
  } else {
    multiply_by_steps<Operands, V>(a, b, c, c_stride, positions, fresh, ahead);
  }
}

using MultiplyTile = void (*)(RowWords a, const float* b, float* c, std::size_t c_stride,
                              std::size_t positions, bool fresh, Ahead& ahead);

/// The tile function of a panel of 1 + index vectors.
template <class Operands, std::size_t... index>
constexpr std::array<MultiplyTile, sizeof...(index)> tile_functions(std::index_sequence<index...>) {
  return {multiply_tile<Operands, int(index) + 1>...};
}

}  // namespace
}  // namespace isoflop::kernels::cpu
