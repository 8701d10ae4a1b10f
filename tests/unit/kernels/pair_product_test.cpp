#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

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

float model_sum(float c, std::uint32_t a, std::uint32_t b) {
  const auto word = std::bit_cast<float>(a);
  const auto sum = ModelPairs::add_pairs(&word, as<ModelPairs::Float>(ModelPairs::Word{} + b),
                                         ModelPairs::Float{} + c);
  return sum[ModelPairs::width - 1];
}

TEST(ModelPairs, AddUpperHalvesFirst) {
  // 2^24 + 1 is not a float: the 1 is lost if the sum is 2^24 when it comes, not if it comes later
  constexpr std::uint32_t kOne = 0x3F80, kMinusTwoTo24 = 0xCB80, kOnes = kOne << 16 | kOne;
  EXPECT_EQ(model_sum(0x1p24f, kOne << 16 | kMinusTwoTo24, kOnes), 0.0f);
  EXPECT_EQ(model_sum(0x1p24f, kMinusTwoTo24 << 16 | kOne, kOnes), 1.0f);
}

#if defined(__x86_64__)
[[gnu::target("avx512f"), gnu::noinline]] float processor_sum(float c, std::uint32_t a,
                                                              std::uint32_t b) {
  ModelPairs::Float sum = ModelPairs::Float{} + c;
  asm volatile("vdpbf16ps %2, %1, %0"
               : "+v"(sum)
               : "v"(ModelPairs::Word{} + a), "v"(ModelPairs::Word{} + b));
  return sum[0];
}

// Where sums of uniform numbers never come: zeros of both signs, denormals, powers whose products
// meet at the smallest normal number, overflow, infinity, NaN.
TEST(PairInstruction, IsThatOfTheModelAtTheEdgesOfFloat) {
  if (!supported(InstructionSet::avx512_bf16)) {
    GTEST_SKIP() << "skipped: this processor has no " << name(InstructionSet::avx512_bf16);
  }
  const std::array<std::uint32_t, 12> halves = {0x0000, 0x8000, 0x0001, 0x807F, 0x0080, 0x1A00,
                                                0x9980, 0x1FFF, 0x3F81, 0x7F7F, 0xFF80, 0x7FC0};
  const std::array<float, 8> sums = {0.0f,       -0.0f,  0x1p-126f, 0x1.000002p-126f,
                                     -0x1p-149f, 0x1p0f, 0x1p127f,  -INFINITY};
  const FlushDenormals guard;
  for (const std::uint32_t upper : halves) {
    for (const std::uint32_t lower : halves) {
      for (const std::uint32_t b : {0x1A001980u, 0x3F80BF80u, 0x7F7F0001u, 0x20002000u}) {
        for (const float c : sums) {
          const float model = model_sum(c, upper << 16 | lower, b);
          const float seen = processor_sum(c, upper << 16 | lower, b);
          EXPECT_TRUE(same_bits(std::vector{model}, std::vector{seen}))
              << std::hex << upper << " " << lower << " times " << b << " added to " << c << ": "
              << seen << ", model " << model;
        }
      }
    }
  }
}

[[gnu::target("avx512f,avx512bf16,avx512vl"), gnu::noinline]] bf16 processor_rounding(float value) {
  typedef std::uint16_t Halves __attribute__((vector_size(32)));
  const auto values =
      as<ModelPairs::Float>(ModelPairs::Word{} + std::bit_cast<std::uint32_t>(value));  // -0 too
  Halves rounded;
  asm volatile("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(values));
  return std::bit_cast<bf16>(static_cast<std::uint16_t>(rounded[0]));
}

// Ties to both sides, carries into the exponent and to infinity, the smallest normal number, NaN.
TEST(PairInstruction, RoundsAsBf16Does) {
  if (!supported(InstructionSet::avx512_bf16)) {
    GTEST_SKIP() << "skipped: this processor has no " << name(InstructionSet::avx512_bf16);
  }
  for (const std::uint32_t upper :
       {0x0000, 0x0080, 0x3F80, 0x3F81, 0x3FFF, 0x7F7E, 0x7F7F, 0x7F80}) {
    for (const std::uint32_t lower : {0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF}) {
      for (const std::uint32_t sign : {0u, 0x80000000u}) {
        const auto value = std::bit_cast<float>(sign | upper << 16 | lower);
        if (value != 0 && std::abs(value) < 0x1p-126f) continue;  // no sum is denormal
        EXPECT_TRUE(same_bits(std::vector{bf16(value)}, std::vector{processor_rounding(value)}))
            << std::hexfloat << value;
      }
    }
  }
}
#endif

}  // namespace
}  // namespace isoflop::kernels::cpu
