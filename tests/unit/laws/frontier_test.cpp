#include "laws/frontier.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "laws/optimal.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

const FitOptions kApproach2 = {.law = "chinchilla", .method = "approach2", .bootstrap = 0};

/// Budgets 1e17..1e21, 15 sizes within `reach` times of the optimum, `shift` times off centre.
Points profiles(const std::vector<double>& values, double reach, double shift = 1) {
  const Law& law = find_law("chinchilla");
  Points points;
  for (const double flops : {1e17, 1e18, 1e19, 1e20, 1e21})
    for (int k = 0; k < 15; ++k) {
      const double best = law.optimum(synthetic::to_vector(values), flops)->params;
      const double params = shift * best * std::pow(reach, (k - 7) / 7.0);
      points.params.push_back(params);
      points.tokens.push_back(flops / (6 * params));
      points.loss.push_back(synthetic::loss(law, values, {params, points.tokens.back()}));
    }
  return points;
}

double token_bias_percent(double alpha, double beta) {
  const std::vector<double> values = {1.69, 406.4, 410.7, alpha, beta};
  const Fit result = fit(profiles(values, 4), kApproach2);
  const double truth = find_law("chinchilla").optimum(synthetic::to_vector(values), 1e24)->tokens;
  return 100 * (optimal(result, 1e24).tokens / truth - 1);
}

TEST(Approach2, ReproducesThePublishedBiasOfItsParabola) {
  EXPECT_NEAR(token_bias_percent(0.34, 0.28), -1.30, 0.05);
  EXPECT_NEAR(token_bias_percent(0.465, 0.155), -6.50, 0.05);
  EXPECT_NEAR(token_bias_percent(0.31, 0.31), 0.0, 0.05);
}

TEST(Approach2, ExponentsAreExactOnCentredProfiles) {
  const Fit result = fit(profiles(synthetic::kEpoch, 4), kApproach2);
  const double a = 0.3658 / (0.3478 + 0.3658);
  EXPECT_NEAR(result.derived[0].value, a, 1e-6);
  EXPECT_NEAR(result.derived[1].value, 1 - a, 1e-6);
  EXPECT_EQ(result.budgets.size(), 5u);
  EXPECT_EQ(result.derived[2].name, "G");
}

TEST(Approach2, LeavesOutBudgetsWhoseMinimumIsAtTheEdge) {
  const Points centred = profiles(synthetic::kEpoch, 4);
  const Points shifted = profiles(synthetic::kEpoch, 4, 30);
  Points points = centred;
  for (std::size_t i = 60; i < 75; ++i) {  // the largest budget
    points.params[i] = shifted.params[i];
    points.tokens[i] = shifted.tokens[i];
    points.loss[i] = shifted.loss[i];
  }
  const Fit result = fit(points, kApproach2);
  EXPECT_EQ(result.budgets.back().rejected, "the minimum lies below the smallest size");
  EXPECT_EQ(result.used, 60u);
  EXPECT_EQ(result.left_out.size(), 15u);
  ASSERT_FALSE(result.warnings.empty());
  EXPECT_EQ(result.warnings.front().find("the lowest loss lies at the edge of the sizes at 1 of 5"),
            0u);
}

TEST(Approach2, RefusesWhenFewBudgetsHaveAMinimum) {
  EXPECT_THROW(fit(profiles(synthetic::kEpoch, 4, 30), kApproach2), InputError);
}

TEST(Approach2, RejectsMaxima) {
  Points points = profiles(synthetic::kEpoch, 4);
  for (std::size_t i = 0; i < 15; ++i) points.loss[i] = 8 - points.loss[i];
  EXPECT_EQ(fit(points, kApproach2).budgets.front().rejected,
            "the parabola opens downwards: no minimum");
}

TEST(Approach2, RefusesPointsThatAreNotIsoflop) {
  Points points;
  for (int k = 0; k < 40; ++k) {
    points.params.push_back(1e6 * std::pow(1.05, k));
    points.tokens.push_back(1e9);
    points.loss.push_back(3);
  }
  EXPECT_THROW(fit(points, kApproach2), InputError);
}

TEST(Approach2, BootstrapGivesIntervalsAroundTheEstimate) {
  FitOptions options = kApproach2;
  options.bootstrap = 200;
  const Fit result = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.002, 3), options);
  const Estimate& a = result.derived[0];
  EXPECT_LT(a.low, a.value);
  EXPECT_GT(a.high, a.value);
  EXPECT_LT(a.high - a.low, 0.2);
}

/// Training curves of twelve sizes, every loss on the surface (as if each point were fully
/// decayed).
Points curves(const std::vector<double>& values) {
  const Law& law = find_law("chinchilla");
  Points points;
  for (int size = 0; size < 12; ++size)
    for (int k = 0; k < 60; ++k) {
      points.params.push_back(1e7 * std::pow(2.0, size));
      points.tokens.push_back(1e8 * std::pow(1.15, k));
      points.loss.push_back(
          synthetic::loss(law, values, {points.params.back(), points.tokens.back()}));
      points.group.push_back("size " + std::to_string(size));
    }
  return points;
}

TEST(Approach1, FindsTheExponentsOfTheEnvelope) {
  FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 50};
  const Fit result = fit(curves(synthetic::kEpoch), options);
  EXPECT_NEAR(result.derived[0].value, 0.5126, 0.015);
  EXPECT_NEAR(result.derived[1].value, 0.4874, 0.015);
  const double truth =
      find_law("chinchilla").optimum(synthetic::to_vector(synthetic::kEpoch), 1e20)->params;
  EXPECT_NEAR(optimal(result, 1e20).params / truth, 1, 0.1);
  EXPECT_GT(result.derived[0].standard_error, 0);
}

TEST(Approach1, SaysWhichRunsMakeNoCurve) {
  const FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 0};
  Points points = curves(synthetic::kEpoch);
  const std::size_t used = points.size();
  points.params.push_back(1e9);
  points.tokens.push_back(1e9);
  points.loss.push_back(3);
  points.group.push_back("short");
  const Fit result = fit(points, options);
  EXPECT_EQ(result.used, used);
  ASSERT_EQ(result.left_out.size(), 1u);
  EXPECT_EQ(result.left_out[0].name, "short");
}

TEST(Approach1, NeedsGroupsOfOneSize) {
  const FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 0};
  Points points = curves(synthetic::kEpoch);
  points.params[5] *= 2;
  EXPECT_THROW(fit(points, options), InputError);
  points.group.clear();
  EXPECT_THROW(fit(points, options), InputError);
}

TEST(Frontier, PredictsComputeOnly) {
  const Fit result = fit(profiles(synthetic::kEpoch, 4), kApproach2);
  const double flops = 1e20;
  const Allocation best =
      *find_law("chinchilla").optimum(synthetic::to_vector(synthetic::kEpoch), flops);
  const double truth =
      synthetic::loss(find_law("chinchilla"), synthetic::kEpoch, {best.params, best.tokens});
  EXPECT_NEAR(predict(result, RunSize{.flops = flops}).value / truth, 1, 1e-3);
  EXPECT_THROW(predict(result, 1e9, 1e10), InputError);
}

}  // namespace
}  // namespace isoflop::laws
