#include "kernels/api/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "attention_data.hpp"
#include "kernels/reference/activation.hpp"

namespace isoflop::kernels {
namespace {

template <class T>
class Activation : public ::testing::Test {
 protected:
  /// One rounding to T, and float arithmetic on values of this size: the argument of the sigmoid is
  /// rounded a few times, which its exponential magnifies by the argument (up to 16 where it
  /// shows).
  static void expect_close(T actual, double expected, double size) {
    const double bound = unit_roundoff<T>() * std::abs(expected) + 0x1p-18 * size + 1e-37;
    ASSERT_NEAR(static_cast<float>(actual), expected, bound);
  }
  device::Stream stream_;
};
using Types = ::testing::Types<float, bf16>;
TYPED_TEST_SUITE(Activation, Types);

template <class T>
std::vector<T> wide_values(std::size_t count, std::uint32_t seed) {
  std::vector<T> values = random_values<T>(count, seed);
  for (std::size_t i = 0; i < count; i += 3) values[i] = T(static_cast<float>(values[i]) * 20.0f);
  return values;
}

TYPED_TEST(Activation, GeluMatchesReference) {
  using T = TypeParam;
  for (const std::size_t count : {0u, 1u, 3u, 17u, 1000u, 4097u, 9001u}) {
    const std::vector<T> x = wide_values<T>(count, 1);
    std::vector<T> y(count);
    gelu_forward(this->stream_, count, x.data(), y.data());
    for (std::size_t i = 0; i < count; ++i) {
      const double at = static_cast<double>(static_cast<float>(x[i]));
      this->expect_close(y[i], reference::gelu(at), std::abs(reference::gelu(at)) + 1e-6);
    }
  }
}

TYPED_TEST(Activation, GeluBackwardMatchesReferenceAlsoInPlace) {
  using T = TypeParam;
  for (const std::size_t count : {1u, 17u, 257u, 4097u}) {
    const std::vector<T> x = wide_values<T>(count, 2), dy = random_values<T>(count, 3);
    std::vector<T> dx(count), in_place = dy;
    gelu_backward(this->stream_, count, x.data(), dy.data(), dx.data());
    gelu_backward(this->stream_, count, x.data(), in_place.data(), in_place.data());
    for (std::size_t i = 0; i < count; ++i) {
      const double at = static_cast<double>(static_cast<float>(x[i]));
      const double d = static_cast<double>(static_cast<float>(dy[i]));
      this->expect_close(dx[i], d * reference::gelu_slope(at), std::abs(d));
      ASSERT_EQ(static_cast<float>(in_place[i]), static_cast<float>(dx[i]));
    }
  }
}

TYPED_TEST(Activation, SwigluMatchesReference) {
  using T = TypeParam;
  for (const std::size_t width : {1u, 3u, 17u, 63u, 257u, 1000u}) {
    const std::size_t rows = 5;
    const std::vector<T> gate_up = wide_values<T>(rows * 2 * width, 4);
    std::vector<T> y(rows * width);
    swiglu_forward(this->stream_, rows, width, gate_up.data(), y.data());
    for (std::size_t i = 0; i < rows * width; ++i) {
      const std::size_t at = i / width * 2 * width + i % width;
      const double expected =
          reference::swiglu(static_cast<double>(static_cast<float>(gate_up[at])),
                            static_cast<double>(static_cast<float>(gate_up[at + width])));
      this->expect_close(y[i], expected, std::abs(expected) + 1e-6);
    }
  }
}

TYPED_TEST(Activation, SwigluBackwardMatchesReferenceAlsoInPlace) {
  using T = TypeParam;
  for (const std::size_t width : {1u, 3u, 17u, 63u, 257u, 1000u}) {
    const std::size_t rows = 5;
    const std::vector<T> gate_up = wide_values<T>(rows * 2 * width, 5);
    const std::vector<T> dy = random_values<T>(rows * width, 6);
    std::vector<T> gradient(gate_up.size()), in_place = gate_up;
    swiglu_backward(this->stream_, rows, width, gate_up.data(), dy.data(), gradient.data());
    swiglu_backward(this->stream_, rows, width, in_place.data(), dy.data(), in_place.data());
    for (std::size_t i = 0; i < rows * width; ++i) {
      const std::size_t at = i / width * 2 * width + i % width;
      const double gate = static_cast<double>(static_cast<float>(gate_up[at]));
      const double up = static_cast<double>(static_cast<float>(gate_up[at + width]));
      const double d = static_cast<double>(static_cast<float>(dy[i]));
      const reference::SwigluSlope slope = reference::swiglu_slope(gate, up);
      this->expect_close(gradient[at], d * slope.gate, std::abs(d * up));
      this->expect_close(gradient[at + width], d * slope.up, std::abs(d * slope.up) + 1e-6);
      ASSERT_EQ(static_cast<float>(in_place[at]), static_cast<float>(gradient[at]));
      ASSERT_EQ(static_cast<float>(in_place[at + width]), static_cast<float>(gradient[at + width]));
    }
  }
}

TEST(ActivationReference, SlopesAgreeWithFiniteDifferences) {
  const double h = 1e-6;
  for (double x = -6.0; x < 6.0; x += 0.1) {
    const double up = 1.7 - x;
    const auto slope = reference::swiglu_slope(x, up);
    EXPECT_NEAR(reference::gelu_slope(x),
                (reference::gelu(x + h) - reference::gelu(x - h)) / (2.0 * h), 1e-8);
    EXPECT_NEAR(slope.gate,
                (reference::swiglu(x + h, up) - reference::swiglu(x - h, up)) / (2.0 * h), 1e-8);
    EXPECT_NEAR(slope.up, (reference::swiglu(x, up + h) - reference::swiglu(x, up - h)) / (2.0 * h),
                1e-8);
  }
}

TEST(ActivationLimits, NanIsNotHidden) {
  device::Stream stream;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x(33, nan);
  std::vector<float> y(33, 0.0f);
  gelu_forward(stream, x.size(), x.data(), y.data());
  for (const float value : y) EXPECT_TRUE(std::isnan(value));
}

}  // namespace
}  // namespace isoflop::kernels
