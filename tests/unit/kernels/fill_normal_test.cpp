#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/api/optimizer.hpp"
#include "kernels/reference/optimizer.hpp"

namespace isoflop::kernels {
namespace {

constexpr std::uint64_t kSeed = 0x123456789ABCDEFu;
constexpr std::uint32_t kStream = 5;

std::vector<float> normals(std::size_t count, std::uint64_t first, float deviation = 1.0f) {
  device::Stream stream;
  std::vector<float> values(count);
  fill_normal(stream, count, kSeed, Purpose::test, kStream, first, deviation, values.data());
  return values;
}

TEST(FillNormal, MatchesReference) {
  for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{1} << 36}) {
    const std::vector<float> values = normals(3001, first, 0.5f);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double expected = 0.5 * reference::normal(kSeed, Purpose::test, kStream, first + i);
      ASSERT_NEAR(values[i], expected, 1e-6) << first << " + " << i;
    }
  }
}

TEST(FillNormal, AnySplitGivesTheSameBits) {
  const std::vector<float> whole = normals(1000, 0);
  for (const std::size_t begin : {1u, 3u, 63u, 64u, 65u, 500u}) {
    for (const std::size_t count : {0u, 1u, 2u, 63u, 64u, 200u}) {
      const std::vector<float> part = normals(count, begin);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + begin));
    }
  }
}

/// Moments and tails within five standard errors of the normal distribution's.
TEST(FillNormal, HasTheNormalDistribution) {
  const std::size_t count = 4'000'000;
  const std::vector<float> values = normals(count, 0);
  double sums[5] = {};
  std::size_t beyond[6] = {};
  for (const float value : values) {
    double power = 1.0;
    for (double& sum : sums) {
      sum += power;
      power *= double{value};
    }
    for (int limit = 0; limit < 6; ++limit) beyond[limit] += value > static_cast<float>(limit);
  }
  const double n = static_cast<double>(count), error = 5.0 / std::sqrt(n);
  EXPECT_NEAR(sums[1] / n, 0.0, error);
  EXPECT_NEAR(sums[2] / n, 1.0, error * std::sqrt(2.0));
  EXPECT_NEAR(sums[3] / n, 0.0, error * std::sqrt(15.0));
  EXPECT_NEAR(sums[4] / n, 3.0, error * std::sqrt(96.0));
  for (int limit = 0; limit < 6; ++limit) {
    const double p = 0.5 * std::erfc(limit / std::sqrt(2.0));
    EXPECT_NEAR(static_cast<double>(beyond[limit]), n * p, 5.0 * std::sqrt(n * p) + 1.0);
  }
}

TEST(FillNormal, NeighboursAreIndependent) {
  const std::vector<float> values = normals(1'000'000, 0);
  for (const std::size_t lag : {1u, 2u, 3u, 4u}) {
    double product = 0.0;
    for (std::size_t i = lag; i < values.size(); ++i)
      product += double{values[i]} * values[i - lag];
    EXPECT_NEAR(product / 1e6, 0.0, 5e-3);
  }
}

}  // namespace
}  // namespace isoflop::kernels
