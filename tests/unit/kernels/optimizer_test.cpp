#include "kernels/api/optimizer.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "attention_data.hpp"
#include "core/error.hpp"
#include "kernels/reference/optimizer.hpp"

namespace isoflop::kernels {
namespace {

TEST(Flat, FillThenAdd) {
  device::Stream stream;
  for (const std::size_t count : {0u, 1u, 17u, 5000u}) {
    std::vector<float> target(count, -1.0f), values(count);
    fill(stream, count, 0.5f, values.data());
    add_in_place(stream, count, values.data(), target.data());
    for (const float value : target) ASSERT_EQ(value, -0.5f);
  }
}

TEST(Flat, AddRoundsOnce) {
  device::Stream stream;
  const std::vector<bf16> a = random_values<bf16>(4099, 1), b = random_values<bf16>(4099, 2);
  std::vector<bf16> sum(a.size());
  add(stream, a.size(), a.data(), b.data(), sum.data());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const float exact = static_cast<float>(a[i]) + static_cast<float>(b[i]);
    ASSERT_EQ(static_cast<float>(sum[i]), static_cast<float>(bf16(exact)));
  }
}

TEST(Flat, CudaIsRefusedWithoutIt) {
  device::Stream stream(device::Device::cuda);
  EXPECT_THROW(fill(stream, 0, 0.0f, nullptr), InputError);
}

TEST(Flat, ConvertRoundsToNearestEven) {
  device::Stream stream;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values = random_values<float>(4099, 1);
  values[0] = nan;
  values[1] = 1.00390625f;  // a tie, down to even
  values[2] = 1.01171875f;  // a tie, up to even
  values[3] = std::numeric_limits<float>::max();
  std::vector<bf16> narrow(values.size());
  std::vector<float> same(values.size());
  convert(stream, values.size(), values.data(), narrow.data());
  convert(stream, values.size(), values.data(), same.data());
  EXPECT_TRUE(std::isnan(static_cast<float>(narrow[0])));
  EXPECT_EQ(static_cast<float>(narrow[1]), 1.0f);
  EXPECT_EQ(static_cast<float>(narrow[2]), 1.015625f);
  EXPECT_TRUE(std::isinf(static_cast<float>(narrow[3])));
  for (std::size_t i = 4; i < values.size(); ++i) {
    ASSERT_NEAR(static_cast<float>(narrow[i]), values[i], 0x1p-8 * std::abs(values[i]));
    ASSERT_EQ(same[i], values[i]);
  }
}

template <class T>
class AdamW : public ::testing::Test {};
using Types = ::testing::Types<float, bf16>;
TYPED_TEST_SUITE(AdamW, Types);

TYPED_TEST(AdamW, FollowsTheReferenceForSomeSteps) {
  using T = TypeParam;
  device::Stream stream;
  for (const std::size_t count : {1u, 17u, 1000u, 4097u}) {
    std::vector<float> master = random_values<float>(count, 1), m(count, 0.0f), v(count, 0.0f);
    std::vector<T> weights(count);
    std::vector<reference::AdamWElement> expected(count);
    for (std::size_t i = 0; i < count; ++i) expected[i].weight = double{master[i]};
    for (std::uint32_t k = 1; k <= 5; ++k) {
      const auto power = [k](float beta) {
        return static_cast<float>(1.0 - std::pow(double{beta}, k));
      };
      const AdamWStep step{1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, power(0.9f), power(0.95f), 0.25f};
      const std::vector<float> gradient = random_values<float>(count, 10 + k);
      adamw_step(stream, count, step, gradient.data(), master.data(), m.data(), v.data(),
                 weights.data());
      for (std::size_t i = 0; i < count; ++i) {
        expected[i] = reference::adamw(step, double{gradient[i]}, expected[i]);
        ASSERT_NEAR(master[i], expected[i].weight, 1e-6 * (1.0 + std::abs(expected[i].weight)));
        ASSERT_NEAR(m[i], expected[i].first_moment, 1e-7);
        ASSERT_NEAR(v[i], expected[i].second_moment, 1e-7);
        ASSERT_EQ(static_cast<float>(weights[i]), static_cast<float>(T(master[i])));
      }
    }
  }
}

TEST(AdamWStep, WeightsMayBeTheMaster) {
  device::Stream stream;
  const std::size_t count = 1003;
  const std::vector<float> gradient = random_values<float>(count, 2);
  std::vector<float> master = random_values<float>(count, 1), m(count), v(count), apart(count);
  std::vector<float> together = master, m2 = m, v2 = v;
  const AdamWStep step{1e-2f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.1f, 0.05f, 1.0f};
  adamw_step(stream, count, step, gradient.data(), master.data(), m.data(), v.data(), apart.data());
  adamw_step(stream, count, step, gradient.data(), together.data(), m2.data(), v2.data(),
             together.data());
  EXPECT_EQ(together, master);
  EXPECT_EQ(apart, master);
}

TEST(AdamWStep, DecayIsDecoupled) {  // no gradient: the weight shrinks by rate * decay alone
  device::Stream stream;
  float gradient = 0.0f, master = 2.0f, m = 0.0f, v = 0.0f, weight = 0.0f;
  adamw_step(stream, 1, {0.125f, 0.9f, 0.95f, 1e-8f, 0.5f, 0.1f, 0.05f, 1.0f}, &gradient, &master,
             &m, &v, &weight);
  EXPECT_EQ(weight, 2.0f - 0.125f * 0.5f * 2.0f);
}

TEST(BlockSums, MatchDoubleSumsOfEachBlock) {
  device::Stream stream;
  for (const std::size_t count : {0u, 1u, 17u, 4095u, 4096u, 4097u, 10000u}) {
    const std::vector<float> values = random_values<float>(count, 3);
    const std::size_t blocks = (count + kSumBlock - 1) / kSumBlock;
    std::vector<double> squares(blocks), sums(blocks), want_squares(blocks), want(blocks);
    for (std::size_t i = 0; i < count; ++i) {
      want[i / kSumBlock] += double{values[i]};
      want_squares[i / kSumBlock] += double{values[i]} * double{values[i]};
    }
    block_sums_of_squares(stream, count, values.data(), squares.data());
    block_sums(stream, count, values.data(), sums.data());
    for (std::size_t block = 0; block < blocks; ++block) {
      EXPECT_NEAR(sums[block], want[block], 1e-11);
      EXPECT_NEAR(squares[block], want_squares[block], 1e-13 * want_squares[block]);
    }
  }
}

TEST(BlockSums, ShowNonFiniteElementsInTheirBlockOnly) {
  device::Stream stream;
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> values(3 * kSumBlock, 1.0f);
    values[kSumBlock + 77] = bad;
    std::vector<double> squares(3), sums(3);
    block_sums_of_squares(stream, values.size(), values.data(), squares.data());
    block_sums(stream, values.size(), values.data(), sums.data());
    for (const std::size_t block : {0u, 1u, 2u}) {
      EXPECT_EQ(std::isfinite(squares[block]), block != 1);
      EXPECT_EQ(std::isfinite(sums[block]), block != 1);
    }
  }
}

}  // namespace
}  // namespace isoflop::kernels
