// The innermost part of vector_product.hpp: one tile of results, Lanes::rows x a panel of vectors.
//
// Floats are summed in one chain a result, which stays in registers while the depth passes. For
// bf16 a tile is summed over 32 positions, first the even ones, then the odd ones, and then added
// to the result in memory: two chains at once would halve the tile, and with it the arithmetic done
// for each load.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <type_traits>
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

/// Floats of a as a tile reads them: rows along the depth.
struct ExpandedRows {
  const float* data;
  std::size_t stride;  // between rows
};

/// sums [rows][V] += kDepthStep positions of a b, each step-th of them from the first on. Unrolled:
/// a core that it shares with another thread issues hardly more than the multiply-adds and loads.
template <class Lanes, int V, int step>
ISOFLOP_INLINE void extend_chains(ExpandedRows a, const float* b,
                                  typename Lanes::Float (&sums)[Lanes::rows][V]) {
  const float* left = a.data;
#pragma GCC unroll 8
  for (std::size_t i = 0; i < kDepthStep / step; ++i) {
    typename Lanes::Float right[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) right[v] = load<typename Lanes::Float>(b + v * Lanes::width);
#pragma GCC unroll 8
    for (int row = 0; row < Lanes::rows; ++row) {
      const auto factor = Lanes::broadcast(left + row * a.stride);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[row][v] = Lanes::fma(factor, right[v], sums[row][v]);
    }
    left += step;
    b += step * V * Lanes::width;
  }
}

template <class Lanes, int V>
ISOFLOP_INLINE void clear_chains(typename Lanes::Float (&sums)[Lanes::rows][V]) {
#pragma GCC unroll 8
  for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[row][v] = typename Lanes::Float{};
  }
}

/// c [rows][V * width] = (fresh ? 0 : c) + a b, one chain for each result.
template <class Lanes, int V>
ISOFLOP_INLINE void multiply_in_order(ExpandedRows a, const float* b, float* c,
                                      std::size_t c_stride, std::size_t positions, bool fresh,
                                      Ahead& ahead) {
  using Float = typename Lanes::Float;
  Float sums[Lanes::rows][V];
  if (fresh) {
    clear_chains<Lanes, V>(sums);
  } else {
#pragma GCC unroll 8
    for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[row][v] = load<Float>(c + row * c_stride + v * Lanes::width);
    }
  }
  for (; positions > 0; positions -= kDepthStep) {
    ahead.fetch();
    extend_chains<Lanes, V, 1>(a, b, sums);
    a.data += kDepthStep;
    b += kDepthStep * V * Lanes::width;
  }
#pragma GCC unroll 8
  for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(c + row * c_stride + v * Lanes::width, sums[row][v]);
  }
}

/// c [rows][V * width] = (fresh ? 0 : c) + positions of a b, an even and an odd chain for each 32.
template <class Lanes, int V>
ISOFLOP_INLINE void multiply_by_steps(ExpandedRows a, const float* b, float* c,
                                      std::size_t c_stride, std::size_t positions, bool fresh,
                                      Ahead& ahead) {
  using Float = typename Lanes::Float;
  constexpr int columns = V * Lanes::width;
  Float even[Lanes::rows][V];
  for (; positions > 0; positions -= kDepthStep) {
    ahead.fetch();
    Float sums[Lanes::rows][V];
    clear_chains<Lanes, V>(sums);
    extend_chains<Lanes, V, 2>(a, b, sums);
    std::memcpy(even, sums, sizeof even);
    // keep it in memory: the odd chain needs the registers
    asm volatile("" ::"r"(even) : "memory");
    clear_chains<Lanes, V>(sums);
    extend_chains<Lanes, V, 2>({a.data + 1, a.stride}, b + columns, sums);
#pragma GCC unroll 8
    for (int row = 0; row < Lanes::rows; ++row) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        float* at = c + row * c_stride + v * Lanes::width;
        store(at, (fresh ? Float{} : load<Float>(at)) + (even[row][v] + sums[row][v]));
      }
    }
    fresh = false;
    a.data += kDepthStep;
    b += kDepthStep * columns;
  }
}

/// The sum that block_product.hpp promises for T.
template <class Lanes, class T, int V>
[[gnu::noinline]] void multiply_tile(ExpandedRows a, const float* b, float* c, std::size_t c_stride,
                                     std::size_t positions, bool fresh, Ahead& ahead) {
  if constexpr (std::is_same_v<T, float>) {
    multiply_in_order<Lanes, V>(a, b, c, c_stride, positions, fresh, ahead);
  } else {
    multiply_by_steps<Lanes, V>(a, b, c, c_stride, positions, fresh, ahead);
  }
}

using MultiplyTile = void (*)(ExpandedRows a, const float* b, float* c, std::size_t c_stride,
                              std::size_t positions, bool fresh, Ahead& ahead);

/// The tile function of a panel of 1 + index vectors.
template <class Lanes, class T, std::size_t... index>
constexpr std::array<MultiplyTile, sizeof...(index)> tile_functions(std::index_sequence<index...>) {
  return {multiply_tile<Lanes, T, int(index) + 1>...};
}

}  // namespace
}  // namespace isoflop::kernels::cpu
