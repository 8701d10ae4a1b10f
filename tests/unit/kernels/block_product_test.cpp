#include "kernels/cpu/block_product.hpp"

#include <gtest/gtest.h>

#include <array>

#include "kernels/cpu/model_tiles.hpp"
#include "kernels/cpu/tile_product.hpp"
#include "tests/unit/kernels/block_product_bits.hpp"

namespace isoflop::kernels::cpu {
namespace {

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
                                         InstructionSet::avx512_bf16, InstructionSet::amx),
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
