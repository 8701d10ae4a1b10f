// Products of bf16 whose bits are compared between this processor and an emulated one with a tile
// unit (run.sh). Freestanding: no library, no allocation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/block_kernels.hpp"

namespace isoflop::kernels::cpu {

struct Case {
  std::size_t rows, columns, depth;
  Contiguous a, b;
  bool accumulate, rounded, wild;  // rounded: results of bf16; wild: any exponent, infinity and NaN
};

/// Operands and results are wider than what is multiplied, and results go on below it, so that a
/// store too far shows.
constexpr std::size_t kGap = 3, kRowsBelow = 32;

struct Memory {
  alignas(64) bf16 a[1 << 18], b[1 << 18];
  alignas(64) float c[1 << 15];
  alignas(64) std::byte packed[1 << 21], scratch[1 << 22];
};

class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}

  std::uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state_ >> 33);
  }

  bf16 number(bool wild) {
    const std::uint32_t word = next();
    const std::uint32_t exponent = wild ? (word >> 8) % 256 : 118 + (word >> 8) % 10;
    bf16 value;
    value.bits = static_cast<std::uint16_t>((word & 0x807F) | exponent << 7);
    return value;
  }

 private:
  std::uint64_t state_;
};

inline Operand<bf16> fill(Numbers& numbers, bf16* data, std::size_t lines, std::size_t depth,
                          Contiguous along, bool wild) {
  const bool along_depth = along == Contiguous::depth;
  const std::size_t stride = (along_depth ? depth : lines) + kGap;
  const std::size_t count = stride * (along_depth ? lines : depth);
  for (std::size_t i = 0; i < count; ++i) data[i] = numbers.number(wild);
  return {data, stride, along};
}

/// A result as the float it is, any NaN as one: which of two NaNs a sum keeps is nobody's promise.
template <class Y>
std::uint32_t bits_of(Y result) {
  const float value = static_cast<float>(result);
  return value == value ? __builtin_bit_cast(std::uint32_t, value) : 0x7FC00000u;
}

/// FNV-1a, by words, of all results and what lies between them.
template <class Y>
std::uint64_t hash_of(const BlockKernel<bf16, Y>& kernel, const Case& c, Memory& memory) {
  Numbers numbers(c.rows * 1000003 + c.columns * 10007 + c.depth);
  const Operand<bf16> a = fill(numbers, memory.a, c.rows, c.depth, c.a, c.wild);
  const Operand<bf16> b = fill(numbers, memory.b, c.columns, c.depth, c.b, c.wild);
  const std::size_t stride = c.columns + kGap, count = (c.rows + kRowsBelow) * stride;
  Y* results = reinterpret_cast<Y*>(memory.c);
  for (std::size_t i = 0; i < count; ++i) {
    results[i] = Y(static_cast<float>(numbers.number(false)));
  }
  const BlockProduct<bf16, Y> product{c.rows, c.columns, c.depth, a,
                                      b,      results,   stride,  c.accumulate};
  kernel.pack(product, memory.packed);
  kernel.multiply(product, memory.packed, memory.scratch);
  std::uint64_t hash = 14695981039346656037u;
  for (std::size_t i = 0; i < count; ++i) {
    hash = (hash ^ bits_of(results[i])) * 1099511628211u;
  }
  return hash;
}

/// print(case, hash) for every case.
template <class Print>
void hash_all(const BlockKernel<bf16, float>& sums, const BlockKernel<bf16, bf16>& rounded,
              Memory& memory, Print print) {
  constexpr std::size_t shapes[][3] = {
      {32, 32, 32},    {1, 1, 1},      {16, 16, 16},  {33, 31, 40},  {64, 48, 64},
      {31, 64, 96},    {70, 100, 200}, {32, 64, 512}, {96, 33, 544}, {40, 72, 1100},
      {128, 128, 128}, {5, 200, 33},   {17, 1, 64},
  };
  constexpr Contiguous ways[] = {Contiguous::depth, Contiguous::line};
  for (const auto& shape : shapes) {
    for (int bits = 0; bits < 32; ++bits) {
      const Case c{
          shape[0],        shape[1],        shape[2],        ways[bits & 1], ways[bits >> 1 & 1],
          (bits & 4) != 0, (bits & 8) != 0, (bits & 16) != 0};
      if (c.rounded && c.accumulate) continue;  // needs results of float
      print(c, c.rounded ? hash_of(rounded, c, memory) : hash_of(sums, c, memory));
    }
  }
}

}  // namespace isoflop::kernels::cpu
