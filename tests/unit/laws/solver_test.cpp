// Descents that meet numbers which are none.
#include "laws/search/solver.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "laws/law/formula_law.hpp"
#include "laws/search/search.hpp"

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

/// Two wide wells beside a deep one, between them; a grid of two starts sees the wide ones alone.
class ThreeWells final : public FormulaLaw<ThreeWells, 1> {
 public:
  ThreeWells() {
    name = "three wells";
    variables = {Variable::params};
    parameters = {{"t", "", "t", 0, -20, 20}};
  }
  template <class T>
  static T compute(const double*, const T* theta) {
    using std::exp;
    const auto well = [&](double middle) {
      const T distance = theta[0] - middle;
      return exp(-0.5 * (distance * distance));
    };
    return 2.0 - 0.8 * well(-4) - well(1) - 0.9 * well(6);
  }
  std::vector<Vector> starts(const Samples&) const override { return {{-5}, {7}}; }
  Vector values(const Vector& theta) const override { return theta; }
  Vector coordinates(const Vector& values) const override { return values; }
};

TEST(Search, RandomStartsHitWhatTheGridMisses) {
  const ThreeWells law;
  const Samples samples = sample_of(0);
  const Objective objective(law, samples, 10);
  const Search grid = search(objective, law.starts(samples));
  ASSERT_EQ(grid.basins.size(), 2u);
  EXPECT_NEAR(grid.best.theta[0], 6, 0.01);
  EXPECT_EQ(grid.reached.front(), 1);
  const std::vector<Vector> starts = choose_starts(objective, Starts::all);
  EXPECT_EQ(starts.size(), 2 + kRandomStarts);
  EXPECT_EQ(starts, choose_starts(objective, Starts::all));
  const Search all = search(objective, starts);
  EXPECT_NEAR(all.best.theta[0], 1, 0.01);
  EXPECT_LT(all.reached.front(), all.starts);
  EXPECT_EQ(choose_starts(objective, Starts::few).size(), 2u);
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
