#include "kernels/cpu/block_product.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "device/stream.hpp"
#include "kernels/cpu/model_tiles.hpp"
#include "kernels/cpu/tile_product.hpp"
#include "tests/unit/kernels/matmul_values.hpp"

namespace isoflop::kernels::cpu {
namespace {

struct Shape {
  std::size_t rows, columns, depth;
};

// full and partial tiles, rows and columns; a depth beyond one block of every kernel
const std::vector<Shape> kShapes = {{1, 1, 1},    {32, 32, 32},   {64, 96, 64}, {33, 47, 95},
                                    {70, 65, 31}, {35, 70, 1100}, {6, 5, 0},    {129, 3, 576}};

template <class T>
Operand<T> operand(const std::vector<T>& values, std::size_t lines, std::size_t depth,
                   Contiguous along) {
  return {values.data(), along == Contiguous::depth ? depth : lines, along};
}

template <class T, class Y>
std::vector<Y> product_of(const BlockKernel<T, Y>& kernel, const Shape& s, Contiguous a_along,
                          Contiguous b_along, bool accumulate) {
  const auto a = wild_values<T>(s.rows * s.depth, 1), b = wild_values<T>(s.columns * s.depth, 2);
  const std::size_t stride = s.columns + 3;
  auto c = wild_values<Y>(s.rows * stride, 3);
  const auto packed = device::allocate_aligned(kernel.packed_bytes(s.columns, s.depth));
  const auto scratch = device::allocate_aligned(kernel.scratch_bytes(s.columns, s.depth));
  const BlockProduct<T, Y> product{s.rows,
                                   s.columns,
                                   s.depth,
                                   operand(a, s.rows, s.depth, a_along),
                                   operand(b, s.columns, s.depth, b_along),
                                   c.data(),
                                   stride,
                                   accumulate};
  kernel.pack(product, 0, kernel.panels(s.columns), packed.get());
  kernel.multiply(product, packed.get(), scratch.get());
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

class BlockProductBits : public testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override {
    if (!supported(GetParam())) {
      GTEST_SKIP() << "skipped: this processor has no " << name(GetParam());
    }
  }
};

TEST_P(BlockProductBits, AreThoseOfScalarCode) {
  expect_bits_of_scalar_code(block_kernel<float, float>(GetParam()), false);
  expect_bits_of_scalar_code(block_kernel<float, float>(GetParam()), true);
  expect_bits_of_scalar_code(block_kernel<bf16, bf16>(GetParam()), false);
  expect_bits_of_scalar_code(block_kernel<bf16, float>(GetParam()), false);
  expect_bits_of_scalar_code(block_kernel<bf16, float>(GetParam()), true);
}

INSTANTIATE_TEST_SUITE_P(Every, BlockProductBits,
                         testing::Values(InstructionSet::avx2, InstructionSet::avx512,
                                         InstructionSet::amx),
                         [](const auto& info) { return name(info.param); });

// The kernel that drives the tile unit, on a model of it.
TEST(TileProductBits, AreThoseOfScalarCode) {
  expect_bits_of_scalar_code(make_tile_kernel<ModelTiles, bf16>(), false);
  expect_bits_of_scalar_code(make_tile_kernel<ModelTiles, float>(), false);
  expect_bits_of_scalar_code(make_tile_kernel<ModelTiles, float>(), true);
}

TEST(ModelTiles, SumEvenAndOddPairsApart) {
  // 2^24 + 1 is not a float: alone in its chain, 1 survives; after 2^24, it would not
  ModelTiles tiles;
  std::array<bf16, 512> a{}, b{};
  for (bf16& one : b) one = bf16(1.0f);
  a[0] = bf16(0x1p24f);
  a[1] = bf16(1.0f);
  a[3] = bf16(1.0f);
  std::array<float, 256> c{};
  tiles.load<4>(a.data(), 64);
  tiles.load<6>(b.data(), 64);
  tiles.zero<0>();
  tiles.multiply<0, 4, 6>();
  tiles.store<0>(c.data(), 64);
  EXPECT_EQ(c[0], 0x1p24f + 2.0f);
  EXPECT_EQ(c[16], 0.0f);
}

}  // namespace
}  // namespace isoflop::kernels::cpu
