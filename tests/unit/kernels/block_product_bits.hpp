// Compares block products of any kernel with those of scalar code.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "device/stream.hpp"
#include "kernels/cpu/block_product.hpp"
#include "tests/unit/kernels/matmul_values.hpp"

namespace isoflop::kernels::cpu {

struct Shape {
  std::size_t rows, columns, depth;
};

// full and partial tiles, rows and columns; a depth beyond one block of every kernel
inline const std::vector<Shape> kShapes = {{1, 1, 1},    {32, 32, 32},  {64, 96, 64},
                                           {33, 47, 95}, {70, 65, 31},  {35, 70, 1100},
                                           {6, 5, 0},    {129, 3, 576}, {211, 19, 545}};

/// Memory full of NaN, with more of it behind, where nothing may be written.
class GuardedMemory {
 public:
  explicit GuardedMemory(std::size_t bytes)
      : bytes_(bytes), memory_(device::allocate_aligned(bytes + kGuard)) {
    std::memset(memory_.get(), 0xFF, bytes + kGuard);
  }
  std::byte* get() const { return memory_.get(); }
  bool untouched_behind() const {
    return std::all_of(get() + bytes_, get() + bytes_ + kGuard,
                       [](std::byte byte) { return byte == std::byte{0xFF}; });
  }

 private:
  static constexpr std::size_t kGuard = 256;
  std::size_t bytes_;
  device::AlignedBytes memory_;
};

template <class T>
Operand<T> operand(const std::vector<T>& values, std::size_t lines, std::size_t depth,
                   Contiguous along) {
  return {values.data(), along == Contiguous::depth ? depth : lines, along};
}

template <class T, class Y>
std::vector<Y> product_of(const BlockKernel<T, Y>& kernel, const Shape& s, Contiguous a_along,
                          Contiguous b_along, bool accumulate) {
  auto a = wild_values<T>(s.rows * s.depth, 1), b = wild_values<T>(s.columns * s.depth, 2);
  if (!a.empty()) a.back() = T(std::numeric_limits<float>::infinity());  // beside the padding
  const std::size_t stride = s.columns + 3;
  auto c = wild_values<Y>(s.rows * stride, 3);
  const GuardedMemory packed(kernel.packed_bytes(s.columns, s.depth));
  const GuardedMemory scratch(kernel.scratch_bytes(s.columns, s.depth));
  const BlockProduct<T, Y> product{s.rows,
                                   s.columns,
                                   s.depth,
                                   operand(a, s.rows, s.depth, a_along),
                                   operand(b, s.columns, s.depth, b_along),
                                   c.data(),
                                   stride,
                                   accumulate};
  kernel.pack(product, packed.get());
  kernel.multiply(product, packed.get(), scratch.get());
  EXPECT_TRUE(packed.untouched_behind() && scratch.untouched_behind());
  return c;
}

/// Every transposition gives the bits of scalar code, and nothing beyond the columns is touched.
template <class T, class Y>
void expect_bits_of_scalar_code(const BlockKernel<T, Y>& kernel, bool accumulate) {
  const BlockKernel<T, Y>& scalar = block_kernel<T, Y>(InstructionSet::scalar);
  for (const Shape& s : kShapes) {
    for (const Contiguous a : {Contiguous::depth, Contiguous::line}) {
      for (const Contiguous b : {Contiguous::depth, Contiguous::line}) {
        EXPECT_TRUE(same_bits(product_of(kernel, s, a, b, accumulate),
                              product_of(scalar, s, a, b, accumulate)))
            << s.rows << " x " << s.columns << " x " << s.depth << ", a "
            << (a == Contiguous::depth ? "along depth" : "along lines") << ", b "
            << (b == Contiguous::depth ? "along depth" : "along lines");
      }
    }
  }
}

}  // namespace isoflop::kernels::cpu
