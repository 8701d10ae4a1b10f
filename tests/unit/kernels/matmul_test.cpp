#include "kernels/api/matmul.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "kernels/kokkos/matmul.hpp"
#include "kernels/reference/matmul.hpp"

namespace isoflop::kernels {
namespace {

/// count values in (-1, 1), a fixed sequence for each seed.
template <class T>
std::vector<T> values(std::size_t count, std::uint64_t seed) {
  std::vector<T> result(count);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (T& value : result) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = T(static_cast<float>(static_cast<std::int64_t>(state) >> 32) * 0x1p-31f);
  }
  return result;
}

const std::vector<MatmulShape> kOddShapes = {{1, 1, 1},    {1, 257, 33},  {31, 33, 65},
                                             {64, 64, 64}, {257, 96, 31}, {100, 65, 545},
                                             {545, 40, 96}};

template <class Y>
double tolerance() {
  return std::is_same_v<Y, bf16> ? 0x1p-7 : 1e-5;
}

template <class Y>
void expect_close(Y result, reference::Product expected) {
  EXPECT_NEAR(double(float(result)), expected.value, tolerance<Y>() * expected.magnitude + 1e-30);
}

/// The three products of one implementation. Y is the type of y.
template <class T, class Y, class Forward, class DataGradient, class WeightGradient>
void check_against_reference(const Forward& forward, const DataGradient& data_gradient,
                             const WeightGradient& weight_gradient) {
  for (const MatmulShape s : kOddShapes) {
    SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k);
    const auto x = values<T>(s.m * s.k, 1), w = values<T>(s.n * s.k, 2);
    const auto dy = values<T>(s.m * s.n, 3);
    std::vector<Y> y(s.m * s.n);
    std::vector<T> dx(s.m * s.k);
    const auto before = values<float>(s.n * s.k, 4);
    auto dw = before;
    forward(s, x.data(), w.data(), y.data());
    data_gradient(s, dy.data(), w.data(), dx.data());
    weight_gradient(s, dy.data(), x.data(), dw.data());
    for (std::size_t i = 0; i < y.size(); ++i) {
      expect_close(y[i], reference::matmul_forward(s, x.data(), w.data(), i / s.n, i % s.n));
    }
    for (std::size_t i = 0; i < dx.size(); ++i) {
      expect_close(dx[i],
                   reference::matmul_data_gradient(s, dy.data(), w.data(), i / s.k, i % s.k));
    }
    for (std::size_t i = 0; i < dw.size(); ++i) {
      expect_close(dw[i], reference::matmul_weight_gradient(s, dy.data(), x.data(), before[i],
                                                            i / s.k, i % s.k));
    }
    if (testing::Test::HasFailure()) return;
  }
}

template <class T, class Y>
void check_front_end() {
  device::Stream stream;
  check_against_reference<T, Y>(
      [&](MatmulShape s, const T* x, const T* w, Y* y) { matmul_forward(stream, s, x, w, y); },
      [&](MatmulShape s, const T* dy, const T* w, T* dx) {
        matmul_data_gradient(stream, s, dy, w, dx);
      },
      [&](MatmulShape s, const T* dy, const T* x, float* dw) {
        matmul_weight_gradient(stream, s, dy, x, dw);
      });
}

TEST(Matmul, FloatIsCloseToReference) { check_front_end<float, float>(); }
TEST(Matmul, Bf16IsCloseToReference) { check_front_end<bf16, bf16>(); }
TEST(Matmul, Bf16WithFloatResultIsCloseToReference) { check_front_end<bf16, float>(); }

template <class T, class Y>
void check_portable() {
  check_against_reference<T, Y>(kokkos::matmul_forward<T, Y>, kokkos::matmul_data_gradient<T>,
                                kokkos::matmul_weight_gradient<T>);
}

TEST(MatmulPortable, FloatIsCloseToReference) { check_portable<float, float>(); }
TEST(MatmulPortable, Bf16IsCloseToReference) { check_portable<bf16, bf16>(); }
TEST(MatmulPortable, Bf16WithFloatResultIsCloseToReference) { check_portable<bf16, float>(); }

TEST(Matmul, CudaIsRefusedWithoutIt) {
  device::Stream stream(device::Device::cuda);
  const float* none = nullptr;
  float* result = nullptr;
  EXPECT_THROW(matmul_forward(stream, {}, none, none, result), InputError);
  EXPECT_THROW(matmul_data_gradient(stream, {}, none, none, result), InputError);
  EXPECT_THROW(matmul_weight_gradient(stream, {}, none, none, result), InputError);
}

}  // namespace
}  // namespace isoflop::kernels
