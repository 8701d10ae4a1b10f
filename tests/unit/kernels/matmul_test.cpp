#include "kernels/api/matmul.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "core/error.hpp"
#include "kernels/cpu/matmul.hpp"
#include "kernels/kokkos/matmul.hpp"
#include "kernels/reference/matmul.hpp"
#include "tests/unit/kernels/matmul_values.hpp"

namespace isoflop::kernels {
namespace {

const std::vector<MatmulShape> kOddShapes = {{1, 1, 1},     {1, 257, 33},    {31, 33, 65},
                                             {64, 64, 64},  {257, 96, 31},   {100, 65, 545},
                                             {545, 40, 96}, {3, 3105, 1100}, {3, 1100, 3105}};

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

// ---- bits --------------------------------------------------------------------------------------

using cpu::InstructionSet;

template <class T>
struct Results {
  std::vector<T> y, dx;
  std::vector<float> logits, dw;

  bool operator==(const Results& other) const {
    return same_bits(y, other.y) && same_bits(dx, other.dx) && same_bits(logits, other.logits) &&
           same_bits(dw, other.dw);
  }
};

template <class T>
Results<T> all_products(InstructionSet set, MatmulShape s) {
  device::Stream stream;
  const auto x = wild_values<T>(s.m * s.k, 1), w = wild_values<T>(s.n * s.k, 2);
  const auto dy = wild_values<T>(s.m * s.n, 3);
  Results<T> r{std::vector<T>(s.m * s.n), std::vector<T>(s.m * s.k), std::vector<float>(s.m * s.n),
               wild_values<float>(s.n * s.k, 4)};
  cpu::matmul_forward(set, stream, s, x.data(), w.data(), r.y.data());
  cpu::matmul_forward(set, stream, s, x.data(), w.data(), r.logits.data());
  cpu::matmul_data_gradient(set, stream, s, dy.data(), w.data(), r.dx.data());
  cpu::matmul_weight_gradient(set, stream, s, dy.data(), x.data(), r.dw.data());
  return r;
}

// Whatever processor this is: with vectors, pairs, tiles or none.
template <class T>
void check_front_end_bits() {
  device::Stream stream;
  for (const MatmulShape s : kOddShapes) {
    SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k);
    const auto x = wild_values<T>(s.m * s.k, 1), w = wild_values<T>(s.n * s.k, 2);
    const auto dy = wild_values<T>(s.m * s.n, 3);
    Results<T> r{std::vector<T>(s.m * s.n), std::vector<T>(s.m * s.k),
                 std::vector<float>(s.m * s.n), wild_values<float>(s.n * s.k, 4)};
    matmul_forward(stream, s, x.data(), w.data(), r.y.data());
    matmul_forward(stream, s, x.data(), w.data(), r.logits.data());
    matmul_data_gradient(stream, s, dy.data(), w.data(), r.dx.data());
    matmul_weight_gradient(stream, s, dy.data(), x.data(), r.dw.data());
    EXPECT_TRUE(r == all_products<T>(InstructionSet::scalar, s));
  }
}

TEST(Matmul, FloatHasTheBitsOfScalarCode) { check_front_end_bits<float>(); }
TEST(Matmul, Bf16HasTheBitsOfScalarCode) { check_front_end_bits<bf16>(); }

class MatmulBits : public testing::TestWithParam<InstructionSet> {
 protected:
  void SetUp() override {
    if (!cpu::supported(GetParam())) {
      GTEST_SKIP() << "skipped: this processor has no " << cpu::name(GetParam());
    }
  }
};

TEST_P(MatmulBits, AreThoseOfScalarCode) {
  for (const MatmulShape s : kOddShapes) {
    SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k);
    EXPECT_TRUE(all_products<bf16>(GetParam(), s) == all_products<bf16>(InstructionSet::scalar, s));
    EXPECT_TRUE(all_products<float>(GetParam(), s) ==
                all_products<float>(InstructionSet::scalar, s));
  }
}

INSTANTIATE_TEST_SUITE_P(Every, MatmulBits,
                         testing::Values(InstructionSet::avx2, InstructionSet::avx512,
                                         InstructionSet::avx512_bf16, InstructionSet::amx),
                         [](const auto& info) { return cpu::name(info.param); });

template <class T>
void check_rows_are_independent() {
  device::Stream stream;
  const MatmulShape all{213, 70, 150};
  const auto x = values<T>(all.m * all.k, 1), w = values<T>(all.n * all.k, 2);
  std::vector<T> y(all.m * all.n), part(all.m * all.n), dx(all.m * all.k), dpart(all.m * all.k);
  matmul_forward(stream, all, x.data(), w.data(), y.data());
  matmul_data_gradient(stream, all, y.data(), w.data(), dx.data());
  for (std::size_t first = 0, rows = 1; first < all.m; first += rows, rows = rows * 3 + 1) {
    const MatmulShape some{std::min(rows, all.m - first), all.n, all.k};
    matmul_forward(stream, some, x.data() + first * all.k, w.data(), part.data() + first * all.n);
    matmul_data_gradient(stream, some, y.data() + first * all.n, w.data(),
                         dpart.data() + first * all.k);
  }
  EXPECT_TRUE(same_bits(y, part));
  EXPECT_TRUE(same_bits(dx, dpart));
}

TEST(Matmul, FloatRowsDoNotDependOnOthers) { check_rows_are_independent<float>(); }
TEST(Matmul, Bf16RowsDoNotDependOnOthers) { check_rows_are_independent<bf16>(); }

template <class T>
void check_halves_make_the_whole() {
  device::Stream stream;
  const MatmulShape all{1312, 45, 70};
  const std::size_t half = 672;  // a multiple of 32, not of any block
  const auto x = values<T>(all.m * all.k, 1), dy = values<T>(all.m * all.n, 2);
  auto whole = values<float>(all.n * all.k, 3);
  auto halves = whole;
  matmul_weight_gradient(stream, all, dy.data(), x.data(), whole.data());
  matmul_weight_gradient(stream, {half, all.n, all.k}, dy.data(), x.data(), halves.data());
  matmul_weight_gradient(stream, {all.m - half, all.n, all.k}, dy.data() + half * all.n,
                         x.data() + half * all.k, halves.data());
  EXPECT_TRUE(same_bits(whole, halves));
}

TEST(Matmul, FloatWeightGradientOfHalvesIsThatOfTheWhole) { check_halves_make_the_whole<float>(); }
TEST(Matmul, Bf16WeightGradientOfHalvesIsThatOfTheWhole) { check_halves_make_the_whole<bf16>(); }

// Whether the depth is passed at once or in chunks.
TEST(Matmul, Bf16ResultIsTheSumRounded) {
  for (const std::size_t depth : {100, 3333}) {
    const auto r = all_products<bf16>(cpu::best_instruction_set(), {7, 45, depth});
    const std::vector<bf16> rounded(r.logits.begin(), r.logits.end());
    EXPECT_TRUE(same_bits(r.y, rounded)) << depth;
  }
}

// All terms alike: the roundings of one binade go the same way.
TEST(Matmul, LongReductionsStayWithinTheirTolerance) {
  device::Stream stream;
  const std::size_t depth = 65536;
  stream.workspace(matmul_workspace_bytes<float>({depth, 1, 1}));
  const std::vector<float> x(depth, 1.0f), dy(depth, 0.1f);
  float dw = 0.0f;
  matmul_weight_gradient(stream, {depth, 1, 1}, dy.data(), x.data(), &dw);
  const double exact = static_cast<double>(depth) * double{0.1f};
  EXPECT_NEAR(dw, exact, 0x1p-24 * static_cast<double>(depth) * exact);
  EXPECT_GT(std::abs(dw - exact), 1e-5 * exact);  // what short ones keep
}

TEST(Matmul, EmptyReductionGivesZero) {
  device::Stream stream;
  std::vector<float> y(6, 7.0f), dw(6, 7.0f);
  const float* none = nullptr;
  matmul_forward(stream, {2, 3, 0}, none, none, y.data());
  EXPECT_EQ(y, std::vector<float>(6, 0.0f));
  matmul_weight_gradient(stream, {0, 2, 3}, none, none, dw.data());
  EXPECT_EQ(dw, std::vector<float>(6, 7.0f));
}

TEST(Matmul, NothingToComputeNeedsNothing) {
  EXPECT_EQ(matmul_workspace_bytes<float>({0, 0, 0}), 0);
  EXPECT_EQ(matmul_workspace_bytes<bf16>({0, 0, 3}), 0);
  device::Stream stream;
  const float* none = nullptr;
  matmul_forward(stream, {0, 3, 2}, none, none, static_cast<float*>(nullptr));
  EXPECT_EQ(stream.workspace_bytes(), 0);
}

template <class T>
void check_workspace() {
  for (const MatmulShape s : kOddShapes) {
    device::Stream stream;
    const std::size_t promised = matmul_workspace_bytes<T>(s);
    const auto x = values<T>(s.m * s.k, 1), w = values<T>(s.n * s.k, 2);
    std::vector<T> y(s.m * s.n), dx(s.m * s.k);
    std::vector<float> logits(s.m * s.n), dw(s.n * s.k);
    matmul_forward(stream, s, x.data(), w.data(), y.data());
    matmul_forward(stream, s, x.data(), w.data(), logits.data());
    matmul_data_gradient(stream, s, y.data(), w.data(), dx.data());
    matmul_weight_gradient(stream, s, y.data(), x.data(), dw.data());
    EXPECT_EQ(stream.workspace_bytes(), promised) << s.m << " x " << s.n << " x " << s.k;
  }
}

TEST(Matmul, WorkspaceIsWhatWasPromised) {
  check_workspace<float>();
  check_workspace<bf16>();
}

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
