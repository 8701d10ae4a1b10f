#include "kernels/api/rope.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/reference/rope.hpp"
#include "tests/unit/kernels/attention_data.hpp"

namespace isoflop::kernels {
namespace {

template <class T>
class Rope : public ::testing::Test {};
using Storages = ::testing::Types<float, bf16>;
TYPED_TEST_SUITE(Rope, Storages);

const AttentionShape kShapes[] = {{2, 5, 3, 1, 2}, {1, 300, 2, 2, 6}, {2, 33, 4, 2, 64}};

template <class T>
std::vector<T> random_qkv(const AttentionShape& shape) {
  return random_values<T>(shape.batch * shape.context * shape.qkv_width(), 1);
}

std::vector<float> table_of(device::Stream& stream, const AttentionShape& shape) {
  std::vector<float> table(shape.context * shape.head_width);
  rope_table(stream, shape.context, shape.head_width, table.data());
  return table;
}

TYPED_TEST(Rope, AgreesWithTheReferenceBothWays) {
  device::Stream stream;
  for (const AttentionShape& shape : kShapes) {
    const std::vector<float> table = table_of(stream, shape);
    for (const double direction : {1.0, -1.0}) {
      std::vector<TypeParam> qkv = random_qkv<TypeParam>(shape);
      std::vector<double> expected = to_double(qkv);
      reference::rope(shape, direction, expected.data());
      const auto turn = direction > 0 ? rope_forward<TypeParam> : rope_backward<TypeParam>;
      turn(stream, shape, table.data(), qkv.data());
      // two products and a sum of values below 6 sqrt(2), then a rounding to T
      EXPECT_LE(largest_difference(qkv, expected),
                6.0 * std::sqrt(2.0) * (unit_roundoff<TypeParam>() + 4.0 * 0x1p-24));
    }
  }
}

TYPED_TEST(Rope, LeavesValuesAndTheFirstTokenAlone) {
  device::Stream stream;
  const AttentionShape shape = kShapes[2];
  const std::vector<TypeParam> before = random_qkv<TypeParam>(shape);
  std::vector<TypeParam> after = before;
  rope_forward(stream, shape, table_of(stream, shape).data(), after.data());
  const std::size_t values = (shape.heads + shape.kv_heads) * shape.head_width;
  for (std::size_t k = 0; k < before.size(); ++k) {
    const std::size_t row = k / shape.qkv_width(), column = k % shape.qkv_width();
    if (column >= values || row % shape.context == 0) {
      ASSERT_EQ(static_cast<float>(before[k]), static_cast<float>(after[k])) << k;
    }
  }
}

TEST(RopeTable, DotProductsDependOnTheDistanceOnly) {
  device::Stream stream;
  const AttentionShape shape{1, 400, 1, 1, 8};
  std::vector<float> qkv(shape.context * shape.qkv_width());
  for (std::size_t k = 0; k < qkv.size(); ++k) qkv[k] = static_cast<float>(k % 24) * 0.1f - 1.0f;
  rope_forward(stream, shape, table_of(stream, shape).data(), qkv.data());
  const auto score = [&](std::size_t i, std::size_t j) {
    double sum = 0.0;
    for (std::size_t c = 0; c < 8; ++c) sum += double(qkv[i * 24 + c]) * qkv[j * 24 + 8 + c];
    return sum;
  };
  EXPECT_NEAR(score(7, 3), score(399, 395), 1e-5);
  EXPECT_GT(std::abs(score(7, 3) - score(7, 2)), 1e-3);
}

TEST(RopeFrontEnd, RefusesOddHeads) {
  device::Stream stream;
  EXPECT_THROW(rope_table(stream, 4, 3, nullptr), InputError);
}

}  // namespace
}  // namespace isoflop::kernels
