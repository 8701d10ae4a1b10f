// Small products of float blocks that lie in cache: C (+)= A B, A read one element at a time with
// any strides, rows of B and C contiguous and a multiple of 16 wide. Each element of C is one chain
// of fused multiply-adds in the order of the reduction, whatever the blocking.
#pragma once

#include <cstddef>

#include "kernels/cpu/attention_engine.hpp"

namespace isoflop::kernels::cpu {

/// Element (i, k) of the left operand is data[i * row + k * step].
struct LeftBlock {
  const float* data;
  std::size_t row, step;

  LeftBlock at(std::size_t i, std::size_t k) const {
    return {data + i * row + k * step, row, step};
  }
};

struct RightBlock {
  const float* data;
  std::size_t row;

  RightBlock at(std::size_t k, std::size_t column) const { return {data + k * row + column, row}; }
};

// 6 x 4 accumulators of 16 floats fill the 32 registers of AVX-512, 6 x 1 the 16 of AVX2.
inline constexpr std::size_t kFloatTileRows = 6;
inline constexpr std::size_t kTileVectors = kNativeLanes == 16 ? 4 : 1;

template <std::size_t kRows, std::size_t kVectors>
inline void multiply_tile(std::size_t depth, LeftBlock a, RightBlock b, Target c, bool accumulate) {
  Lanes sums[kRows][kVectors];
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = broadcast(0.0f);
  }
  if (accumulate) {
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = load(c.at(r, v * kLanes).data);
    }
  }
  for (std::size_t k = 0; k < depth; ++k) {
    Lanes row[kVectors];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) row[v] = load(b.data + k * b.row + v * kLanes);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
      const Lanes factor = broadcast(a.data[r * a.row + k * a.step]);
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kVectors; ++v) sums[r][v] = fma(factor, row[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kVectors; ++v) store(c.at(r, v * kLanes).data, sums[r][v]);
  }
}

/// The rows of one panel that is kVectors wide: whole tiles, then one of the rows that remain.
template <std::size_t kVectors, std::size_t kRows = kFloatTileRows>
inline void multiply_panel(std::size_t rows, std::size_t depth, LeftBlock a, RightBlock b, Target c,
                           bool accumulate) {
  std::size_t i = 0;
  for (; i + kRows <= rows; i += kRows) {
    multiply_tile<kRows, kVectors>(depth, a.at(i, 0), b, c.at(i, 0), accumulate);
  }
  if constexpr (kRows > 1) {
    if (i < rows) {
      multiply_panel<kVectors, kRows - 1>(rows - i, depth, a.at(i, 0), b, c.at(i, 0), accumulate);
    }
  }
}

template <std::size_t kVectors = kTileVectors>
inline void multiply(std::size_t rows, std::size_t columns, std::size_t depth, LeftBlock a,
                     RightBlock b, Target c, bool accumulate) {
  std::size_t j = 0;
  for (; j + kVectors * kLanes <= columns; j += kVectors * kLanes) {
    multiply_panel<kVectors>(rows, depth, a, b.at(0, j), c.at(0, j), accumulate);
  }
  if constexpr (kVectors > 1) {
    if (j < columns) {
      multiply<kVectors - 1>(rows, columns - j, depth, a, b.at(0, j), c.at(0, j), accumulate);
    }
  }
}

}  // namespace isoflop::kernels::cpu
