#include "kernels/api/norm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "attention_data.hpp"
#include "kernels/reference/norm.hpp"

namespace isoflop::kernels {
namespace {

/// Random operands of one norm, and what the kernels make of them.
template <class T>
struct Case {
  Case(std::size_t rows, std::size_t width, NormKind kind)
      : shape{rows, width, kind},
        x(random_values<T>(rows * width, 1)),
        delta(random_values<T>(rows * width, 2)),
        gain(random_values<T>(width, 3)),
        bias(random_values<T>(width, 4)),
        dy(random_values<T>(rows * width, 5)),
        residual(random_values<T>(rows * width, 6)),
        sum(rows * width),
        y(rows * width),
        dx(rows * width),
        statistics(2 * rows),
        d_gain(width, 0.5f),
        d_bias(width, -0.5f) {}

  bool layer() const { return shape.kind == NormKind::layer; }
  const T* bias_data() const { return layer() ? bias.data() : nullptr; }

  void forward() {
    norm_forward(stream, shape, x.data(), delta.data(), gain.data(), bias_data(), sum.data(),
                 y.data(), statistics.data());
  }
  void backward() {
    norm_backward(stream, shape, sum.data(), gain.data(), statistics.data(), dy.data(),
                  residual.data(), dx.data(), d_gain.data(), layer() ? d_bias.data() : nullptr);
  }

  device::Stream stream;
  NormShape shape;
  std::vector<T> x, delta, gain, bias, dy, residual, sum, y, dx;
  std::vector<float> statistics, d_gain, d_bias;
};

template <class T>
class Norm : public ::testing::Test {
 protected:
  template <class Check>
  static void for_all_shapes(const Check& check) {
    for (const NormKind kind : {NormKind::rms, NormKind::layer}) {
      for (const std::size_t width : {1u, 3u, 17u, 63u, 64u, 257u, 1000u}) {
        for (const std::size_t rows : {0u, 1u, 3u, 65u, 130u}) check(Case<T>(rows, width, kind));
      }
    }
  }
  /// One rounding of the result, and float sums of up to `terms` terms.
  static double bound(double size, std::size_t terms) {
    return (unit_roundoff<T>() + 0x1p-22 * (4.0 + std::sqrt(static_cast<double>(terms)))) * size;
  }
};
using Types = ::testing::Types<float, bf16>;
TYPED_TEST_SUITE(Norm, Types);

TYPED_TEST(Norm, ForwardMatchesReference) {
  using T = TypeParam;
  this->for_all_shapes([&](Case<T> c) {
    if (c.layer() && c.shape.width == 1) return;  // the variance of one number is pure rounding
    c.forward();
    for (std::size_t i = 0; i < c.x.size(); ++i) {
      const T expected = T(static_cast<float>(c.x[i]) + static_cast<float>(c.delta[i]));
      ASSERT_EQ(static_cast<float>(c.sum[i]), static_cast<float>(expected));
    }
    std::vector<double> y(c.y.size()), statistics(c.statistics.size());
    const std::vector<double> bias = to_double(c.bias);
    reference::norm_forward(c.shape, to_double(c.sum).data(), to_double(c.gain).data(),
                            c.layer() ? bias.data() : nullptr, y.data(), statistics.data());
    EXPECT_LE(largest_difference(c.y, y), this->bound(largest(y), c.shape.width));
    EXPECT_LE(largest_difference(c.statistics, statistics), 1e-5 * largest(statistics));
  });
}

TYPED_TEST(Norm, WithoutDeltaItReadsX) {
  using T = TypeParam;
  for (const NormKind kind : {NormKind::rms, NormKind::layer}) {
    Case<T> c(5, 33, kind);
    c.forward();
    std::vector<T> y(c.y.size());
    std::vector<float> statistics(c.statistics.size());
    norm_forward<T>(c.stream, c.shape, c.sum.data(), nullptr, c.gain.data(), c.bias_data(), nullptr,
                    y.data(), statistics.data());
    EXPECT_EQ(to_double(y), to_double(c.y));
    EXPECT_EQ(statistics, c.statistics);
  }
}

TYPED_TEST(Norm, BackwardMatchesReference) {
  using T = TypeParam;
  this->for_all_shapes([&](Case<T> c) {
    if (c.layer() && c.shape.width == 1) return;
    c.forward();
    c.backward();
    std::vector<double> dx(c.dx.size());
    std::vector<double> d_gain(c.shape.width, 0.5), d_bias(c.shape.width, -0.5);
    reference::norm_backward(c.shape, to_double(c.sum).data(), to_double(c.gain).data(),
                             to_double(c.statistics).data(), to_double(c.dy).data(), dx.data(),
                             d_gain.data(), d_bias.data());
    const double size = largest(dx) + largest(to_double(c.residual));
    for (std::size_t i = 0; i < dx.size(); ++i) {
      dx[i] += static_cast<double>(static_cast<float>(c.residual[i]));
    }
    EXPECT_LE(largest_difference(c.dx, dx), this->bound(size, c.shape.width));
    const double float_bound = 0x1p-24 * 4.0 * static_cast<double>(c.shape.rows + 4);
    EXPECT_LE(largest_difference(c.d_gain, d_gain), float_bound * (1.0 + largest(d_gain)));
    if (!c.layer()) return;
    EXPECT_LE(largest_difference(c.d_bias, d_bias), float_bound * (1.0 + largest(d_bias)));
  });
}

TYPED_TEST(Norm, ResidualGradientMayBeTheResultAndMayBeAbsent) {
  using T = TypeParam;
  for (const NormKind kind : {NormKind::rms, NormKind::layer}) {
    Case<T> c(7, 100, kind);
    c.forward();
    c.backward();
    std::vector<T> in_place = c.residual, zero(c.dx.size(), T(0.0f)), plain = c.dx,
                   with_zero = c.dx;
    float* d_bias = c.layer() ? c.d_bias.data() : nullptr;
    const auto run = [&](const T* residual, T* dx) {
      norm_backward(c.stream, c.shape, c.sum.data(), c.gain.data(), c.statistics.data(),
                    c.dy.data(), residual, dx, c.d_gain.data(), d_bias);
    };
    run(in_place.data(), in_place.data());
    run(nullptr, plain.data());
    run(zero.data(), with_zero.data());
    EXPECT_EQ(to_double(in_place), to_double(c.dx));
    EXPECT_EQ(to_double(plain), to_double(with_zero));
  }
}

TEST(NormGradient, RowsSplitAtBlocksGiveTheSameBits) {
  for (const NormKind kind : {NormKind::rms, NormKind::layer}) {
    Case<float> whole(192, 40, kind), split(192, 40, kind);
    whole.forward();
    whole.backward();
    split.forward();
    for (const std::size_t begin : {std::size_t{0}, std::size_t{64}}) {
      const std::size_t at = begin * 40;
      const NormShape part{begin == 0 ? 64u : 128u, 40, kind};
      norm_backward(split.stream, part, split.sum.data() + at, split.gain.data(),
                    split.statistics.data() + 2 * begin, split.dy.data() + at,
                    split.residual.data() + at, split.dx.data() + at, split.d_gain.data(),
                    split.layer() ? split.d_bias.data() : nullptr);
    }
    EXPECT_EQ(split.dx, whole.dx);
    EXPECT_EQ(split.d_gain, whole.d_gain);
    EXPECT_EQ(split.d_bias, whole.d_bias);
  }
}

/// The judge's own backward pass against central differences of its forward pass.
TEST(NormReference, BackwardAgreesWithFiniteDifferences) {
  for (const NormKind kind : {NormKind::rms, NormKind::layer}) {
    const NormShape shape{2, 7, kind};
    std::vector<double> x = to_double(random_values<float>(14, 1));
    std::vector<double> gain = to_double(random_values<float>(7, 2));
    std::vector<double> bias = to_double(random_values<float>(7, 3));
    const std::vector<double> dy = to_double(random_values<float>(14, 4));
    std::vector<double> y(14), statistics(4), dx(14), d_gain(7), d_bias(7);
    const auto objective = [&] {
      reference::norm_forward(shape, x.data(), gain.data(), bias.data(), y.data(),
                              statistics.data());
      double sum = 0.0;
      for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
      return sum;
    };
    objective();
    reference::norm_backward(shape, x.data(), gain.data(), statistics.data(), dy.data(), dx.data(),
                             d_gain.data(), d_bias.data());
    const auto expect_slopes = [&](std::vector<double>& values, const std::vector<double>& slopes) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double before = values[i], h = 1e-6;
        values[i] = before + h;
        const double above = objective();
        values[i] = before - h;
        const double below = objective();
        values[i] = before;
        EXPECT_NEAR(slopes[i], (above - below) / (2.0 * h), 1e-7);
      }
    };
    expect_slopes(x, dx);
    expect_slopes(gain, d_gain);
    expect_slopes(bias, d_bias);
  }
}

}  // namespace
}  // namespace isoflop::kernels
