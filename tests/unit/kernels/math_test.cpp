#include "kernels/kokkos/math.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace isoflop::kernels::kokkos {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

double units_in_last_place(float actual, double expected) {
  int exponent = 0;
  std::frexp(expected, &exponent);
  return std::abs(actual - expected) / std::ldexp(1.0, exponent - 24);
}

TEST(FastMath, ExpIsAccurateOverItsRange) {
  double worst = 0.0;
  for (float x = -86.9f; x < 88.72f; x += 1.37e-4f) {
    worst = std::max(worst, units_in_last_place(fast_exp(x), std::exp(static_cast<double>(x))));
  }
  EXPECT_LT(worst, 3.0);
}

TEST(FastMath, ExpAtTheEnds) {
  EXPECT_EQ(fast_exp(0.0f), 1.0f);
  EXPECT_EQ(fast_exp(88.73f), kInfinity);
  EXPECT_EQ(fast_exp(1e30f), kInfinity);
  EXPECT_EQ(fast_exp(kInfinity), kInfinity);
  EXPECT_EQ(fast_exp(-87.0f), 0.0f);
  EXPECT_EQ(fast_exp(-1e30f), 0.0f);
  EXPECT_EQ(fast_exp(-kInfinity), 0.0f);
  EXPECT_TRUE(std::isnan(fast_exp(kNan)));
}

TEST(FastMath, LogIsAccurateOverItsRange) {
  double worst = 0.0;
  for (float x = 1.2e-38f; x < 3e38f; x *= 1.000173f) {
    worst = std::max(worst, units_in_last_place(fast_log(x), std::log(static_cast<double>(x))));
  }
  EXPECT_LT(worst, 2.0);
  EXPECT_EQ(fast_log(1.0f), 0.0f);
  EXPECT_EQ(fast_log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(fast_log(kNan)));
}

TEST(FastMath, SigmoidIsAccurateOverItsRange) {
  double worst = 0.0;
  for (float x = -86.0f; x < 100.0f; x += 1.37e-4f) {
    const double expected = 1.0 / (1.0 + std::exp(-static_cast<double>(x)));
    worst = std::max(worst, units_in_last_place(scaled_sigmoid(x, 1.0f), expected));
  }
  EXPECT_LT(worst, 4.0);
  EXPECT_EQ(scaled_sigmoid(kInfinity, 1.0f), 1.0f);
  EXPECT_EQ(scaled_sigmoid(-kInfinity, 1.0f), 0.0f);
  EXPECT_TRUE(std::isnan(scaled_sigmoid(kNan, 1.0f)));
}

TEST(FastMath, SineAndCosineOfAnOctant) {
  double worst = 0.0;
  for (float x = -0.7853981f; x < 0.7853981f; x += 1.3e-6f) {
    const auto exact = static_cast<double>(x);
    worst = std::max(worst, units_in_last_place(sin_octant(x), std::sin(exact)));
    worst = std::max(worst, units_in_last_place(cos_octant(x), std::cos(exact)));
  }
  EXPECT_LT(worst, 2.0);
}

}  // namespace
}  // namespace isoflop::kernels::kokkos
