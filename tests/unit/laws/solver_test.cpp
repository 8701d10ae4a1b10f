// Descents that meet numbers which are none.
#include "laws/solver.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace isoflop::laws {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// y = theta, whose derivatives are lost where theta exceeds 1 while its value is not.
class HalfBlind final : public Law {
 public:
  HalfBlind() {
    name = "half-blind";
    variables = {Variable::params};
    parameters = {{"t", "", "t", 0, -10, 10}};
  }
  double evaluate(const double*, const double* theta, double* gradient,
                  double* hessian) const override {
    if (gradient != nullptr) gradient[0] = theta[0] > 1 ? kNan : 1;
    if (hessian != nullptr) hessian[0] = 0;
    return theta[0];
  }
  std::vector<Vector> starts(const Samples&) const override { return {Vector{}}; }
  Vector values(const Vector& theta) const override { return theta; }
  Vector coordinates(const Vector& values) const override { return values; }
};

Samples sample_of(double y) {
  Samples samples;
  samples.width = 1;
  samples.x = {0};
  samples.y = {y};
  samples.weight = {1};
  samples.point = {0};
  return samples;
}

TEST(Solver, AStartWithoutDerivativesIsNoMinimum) {
  const HalfBlind law;
  const Samples samples = sample_of(3);
  for (const Minimum& minimum : {minimise(Objective(law, samples, 10), {2}),
                                 minimise_gradually(Objective(law, samples, 10), {2})}) {
    EXPECT_FALSE(minimum.converged);
    EXPECT_FALSE(minimum.gradient_norm <= 1);
  }
}

TEST(Solver, ATrialWithoutDerivativesIsRefused) {
  const HalfBlind law;
  const Samples samples = sample_of(3);
  const Minimum minimum = minimise(Objective(law, samples, 10), {0});
  EXPECT_LE(minimum.theta[0], 1);
  EXPECT_FALSE(minimum.converged);
}

TEST(Solver, TheSigmoidHasDerivativesFarFromItsMiddle) {
  const Law& law = find_law("accuracy-sigmoid");
  const Vector theta = law.coordinates({-0.7, 1000, 40, 0.95});
  for (const double loss : {0.01, 100.0}) {  // k (L0 - L) = 4e4 and -6e4
    const double x[] = {std::log(loss)};
    Vector gradient{};
    Matrix hessian{};
    EXPECT_NEAR(law.evaluate(x, theta.data(), gradient.data(), hessian.data()),
                loss < 40 ? 0.95 : 0.25, 1e-12);
    for (std::size_t i = 0; i < law.size(); ++i) {
      EXPECT_TRUE(std::isfinite(gradient[i])) << i;
      for (std::size_t k = 0; k <= i; ++k) EXPECT_TRUE(std::isfinite(at(hessian, i, k)));
    }
  }
}

}  // namespace
}  // namespace isoflop::laws
