#include <gtest/gtest.h>

#include <cstdint>

#include "kernels/cpu/model_pairs.hpp"
#include "kernels/cpu/pair_operands.hpp"
#include "kernels/cpu/vector_product.hpp"
#include "tests/unit/kernels/block_product_bits.hpp"

namespace isoflop::kernels::cpu {
namespace {

// The kernel made of products of pairs, on a model of the instruction.
TEST(PairProductBits, AreThoseOfScalarCode) {
  expect_bits_of_scalar_code(vector_kernel<PairOperands<ModelPairs>, bf16>(), false);
  expect_bits_of_scalar_code(vector_kernel<PairOperands<ModelPairs>, float>(), false);
  expect_bits_of_scalar_code(vector_kernel<PairOperands<ModelPairs>, float>(), true);
}

TEST(ModelPairs, AddUpperHalvesFirst) {
  // 2^24 + 1 is not a float: the 1 is lost if the sum is 2^24 when it comes, not if it comes later
  const auto last_of = [](std::uint32_t pair) {
    const ModelPairs::Word ones = ModelPairs::Word{} + 0x3F803F80u;
    const auto sum =
        ModelPairs::multiply_pairs(as<ModelPairs::Float>(ModelPairs::Word{} + pair),
                                   as<ModelPairs::Float>(ones), ModelPairs::Float{} + 0x1p24f);
    return sum[ModelPairs::width - 1];
  };
  constexpr std::uint32_t kOne = 0x3F80, kMinusTwoTo24 = 0xCB80;
  EXPECT_EQ(last_of(kOne << 16 | kMinusTwoTo24), 0.0f);
  EXPECT_EQ(last_of(kMinusTwoTo24 << 16 | kOne), 1.0f);
}

}  // namespace
}  // namespace isoflop::kernels::cpu
