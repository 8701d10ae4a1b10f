#include "kernels/api/attention.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "kernels/kokkos/attention.hpp"
#include "kernels/reference/attention.hpp"
#include "tests/unit/kernels/attention_data.hpp"

namespace isoflop::kernels {
namespace {

// Odd lengths, block borders (32, 64), groups of queries, one token, narrow and wide heads.
const AttentionShape kShapes[] = {
    {2, 1, 2, 2, 16},  {3, 7, 3, 1, 2},    {1, 33, 2, 2, 6},   {1, 64, 2, 1, 64},
    {2, 65, 4, 2, 32}, {1, 131, 2, 2, 30}, {1, 257, 3, 1, 64}, {1, 70, 2, 1, 256},
};

std::string name(const AttentionShape& s) {
  return fmt::format("B{} T{} H{} K{} width {}", s.batch, s.context, s.heads, s.kv_heads,
                     s.head_width);
}

template <class T>
struct FrontEnd {
  using Storage = T;
  static void forward(const AttentionShape& shape, const T* qkv, T* out, float* lse) {
    device::Stream stream;
    attention_forward(stream, shape, qkv, out, lse);
    EXPECT_LE(stream.workspace_bytes(), attention_workspace_bytes<T>(shape));
  }
  static void backward(const AttentionShape& shape, const T* qkv, const T* out, const float* lse,
                       const T* d_out, T* d_qkv) {
    device::Stream stream;
    attention_backward(stream, shape, qkv, out, lse, d_out, d_qkv);
    EXPECT_LE(stream.workspace_bytes(), attention_workspace_bytes<T>(shape));
  }
};

template <class T>
struct Portable {
  using Storage = T;
  static void forward(const AttentionShape& shape, const T* qkv, T* out, float* lse) {
    kokkos::attention_forward(shape, qkv, out, lse);
  }
  static void backward(const AttentionShape& shape, const T* qkv, const T* out, const float* lse,
                       const T* d_out, T* d_qkv) {
    std::vector<float> scratch(shape.batch * shape.heads * shape.context);
    kokkos::attention_backward(shape, qkv, out, lse, d_out, scratch.data(), d_qkv);
  }
};

/// One problem: inputs in storage precision, expected results in double, actual ones.
template <class Implementation>
struct Problem {
  using T = typename Implementation::Storage;

  explicit Problem(const AttentionShape& s)
      : shape(s),
        qkv(random_values<T>(tokens() * s.qkv_width(), 1)),
        d_out(random_values<T>(tokens() * s.out_width(), 2)),
        out(d_out.size(), T(NAN)),
        d_qkv(qkv.size(), T(NAN)),
        lse(tokens() * s.heads, NAN),
        expected_out(out.size()),
        expected_lse(lse.size()),
        expected_d_qkv(qkv.size()) {
    const std::vector<double> inputs = to_double(qkv);
    reference::attention_forward(shape, inputs.data(), expected_out.data(), expected_lse.data());
    reference::attention_backward(shape, inputs.data(), expected_out.data(), expected_lse.data(),
                                  to_double(d_out).data(), expected_d_qkv.data());
    Implementation::forward(shape, qkv.data(), out.data(), lse.data());
    Implementation::backward(shape, qkv.data(), out.data(), lse.data(), d_out.data(), d_qkv.data());
  }

  std::size_t tokens() const { return shape.batch * shape.context; }

  AttentionShape shape;
  std::vector<T> qkv, d_out, out, d_qkv;
  std::vector<float> lse;
  std::vector<double> expected_out, expected_lse, expected_d_qkv;
};

template <class Implementation>
class Attention : public ::testing::Test {};
using Implementations =
    ::testing::Types<FrontEnd<float>, FrontEnd<bf16>, Portable<float>, Portable<bf16>>;
TYPED_TEST_SUITE(Attention, Implementations);

TYPED_TEST(Attention, ForwardAgreesWithTheReference) {
  using T = typename TypeParam::Storage;
  for (const AttentionShape& shape : kShapes) {
    SCOPED_TRACE(name(shape));
    const Problem<TypeParam> problem(shape);
    // A score is a sum of head_width products in float, known to sqrt(head_width) roundings of
    // itself (all inputs are below 6); out is a mean of values with weights rounded to T, then
    // rounded to T.
    const double score = 0x1p-24 * 6.0 * std::sqrt(static_cast<double>(shape.head_width));
    const double top = largest(problem.expected_out);
    EXPECT_LE(largest_difference(problem.lse, problem.expected_lse),
              4.0 * score + 0x1p-23 * largest(problem.expected_lse));
    EXPECT_LE(largest_difference(problem.out, problem.expected_out),
              top * (2.0 * unit_roundoff<T>() + 8.0 * score));
  }
}

TYPED_TEST(Attention, BackwardAgreesWithTheReference) {
  using T = typename TypeParam::Storage;
  for (const AttentionShape& shape : kShapes) {
    SCOPED_TRACE(name(shape));
    const Problem<TypeParam> problem(shape);
    // Weights, gradients of scores and `out` are rounded to T before they enter sums.
    const double score = 0x1p-24 * 6.0 * std::sqrt(static_cast<double>(shape.head_width));
    EXPECT_LE(largest_difference(problem.d_qkv, problem.expected_d_qkv),
              largest(problem.expected_d_qkv) * (3.0 * unit_roundoff<T>() + 16.0 * score));
  }
}

TYPED_TEST(Attention, FutureTokensHaveNoInfluence) {
  using T = typename TypeParam::Storage;
  const AttentionShape shape{1, 100, 2, 1, 20};
  std::vector<T> qkv = random_values<T>(shape.context * shape.qkv_width(), 3);
  std::vector<T> before(shape.context * shape.out_width()), after = before;
  std::vector<float> lse_before(shape.heads * shape.context), lse_after = lse_before;
  TypeParam::forward(shape, qkv.data(), before.data(), lse_before.data());
  for (const std::size_t changed : {99u, 64u, 50u, 1u}) {
    for (std::size_t c = 0; c < shape.qkv_width(); ++c) {
      qkv[changed * shape.qkv_width() + c] = T(100.0f);
    }
    TypeParam::forward(shape, qkv.data(), after.data(), lse_after.data());
    for (std::size_t k = 0; k < changed * shape.out_width(); ++k) {
      ASSERT_EQ(static_cast<float>(before[k]), static_cast<float>(after[k])) << changed;
    }
    for (std::size_t h = 0; h < shape.heads; ++h) {
      for (std::size_t i = 0; i < changed; ++i) {
        ASSERT_EQ(lse_before[h * shape.context + i], lse_after[h * shape.context + i]);
      }
    }
    ASSERT_NE(static_cast<float>(before[changed * shape.out_width()]),
              static_cast<float>(after[changed * shape.out_width()]));
  }
}

TYPED_TEST(Attention, ScoresOfHundredsStayFinite) {
  using T = typename TypeParam::Storage;
  const AttentionShape shape{1, 80, 1, 1, 16};
  std::vector<T> qkv = random_values<T>(shape.context * shape.qkv_width(), 4);
  for (T& value : qkv) value = T(16.0f * static_cast<float>(value));
  std::vector<T> out(shape.context * shape.out_width()), d_qkv(qkv.size());
  std::vector<float> lse(shape.context);
  TypeParam::forward(shape, qkv.data(), out.data(), lse.data());
  TypeParam::backward(shape, qkv.data(), out.data(), lse.data(), out.data(), d_qkv.data());
  std::vector<double> expected_out(out.size()), expected_lse(lse.size());
  reference::attention_forward(shape, to_double(qkv).data(), expected_out.data(),
                               expected_lse.data());
  // scores reach 16^2 * 6: their error in float is the error of the weights
  const double score = 0x1p-24 * largest(expected_lse) * 16.0;
  EXPECT_LE(largest_difference(out, expected_out),
            largest(expected_out) * (2.0 * unit_roundoff<T>() + score));
  for (const T value : d_qkv) ASSERT_TRUE(std::isfinite(static_cast<float>(value)));
}

TEST(AttentionReference, BackwardIsTheDerivativeOfForward) {
  const AttentionShape shape{1, 6, 4, 2, 4};
  std::vector<double> qkv = to_double(random_values<float>(shape.context * shape.qkv_width(), 5));
  const std::vector<double> d_out =
      to_double(random_values<float>(shape.context * shape.out_width(), 6));
  std::vector<double> out(d_out.size()), lse(shape.heads * shape.context), d_qkv(qkv.size());
  const auto loss = [&] {
    reference::attention_forward(shape, qkv.data(), out.data(), lse.data());
    return reference::dot(out.data(), d_out.data(), out.size());
  };
  loss();
  reference::attention_backward(shape, qkv.data(), out.data(), lse.data(), d_out.data(),
                                d_qkv.data());
  const double step = 1e-5;
  for (std::size_t k = 0; k < qkv.size(); ++k) {
    const double value = qkv[k];
    qkv[k] = value + step;
    const double above = loss();
    qkv[k] = value - step;
    const double below = loss();
    qkv[k] = value;
    EXPECT_NEAR((above - below) / (2.0 * step), d_qkv[k], 1e-8) << k;
  }
}

TEST(AttentionFrontEnd, RefusesWhatItCannotDo) {
  device::Stream stream;
  float* none = nullptr;
  const AttentionShape uneven{1, 1, 3, 2, 4}, odd{1, 1, 2, 2, 3}, wide{1, 1, 2, 2, 258};
  for (const AttentionShape& shape : {uneven, odd, wide}) {
    EXPECT_THROW(attention_forward(stream, shape, none, none, none), InputError);
    EXPECT_THROW(attention_backward(stream, shape, none, none, none, none, none), InputError);
  }
}

}  // namespace
}  // namespace isoflop::kernels
