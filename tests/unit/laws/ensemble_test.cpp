// The ensemble: which law leads, what the mixture predicts, what is refused.
#include <gtest/gtest.h>

#include <numeric>

#include "core/error.hpp"
#include "laws/calibration.hpp"
#include "laws/fit_json.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

Fit ensemble_of(const Points& points) {
  return fit(points, {.law = std::string(kEnsemble), .bootstrap = 5});
}

/// The isoFLOP grid of synthetic.hpp with the losses of another law.
Points grid_of(const char* law, const std::vector<double>& values, double sigma) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, sigma, 3);
  const Points exact = synthetic::isoflop_grid(synthetic::kEpoch);
  for (std::size_t i = 0; i < points.size(); ++i)
    points.loss[i] *= synthetic::loss(find_law(law), values, {points.params[i], points.tokens[i]}) /
                      exact.loss[i];
  return points;
}

const Fit& noisy_fit() {
  static const Fit fit = ensemble_of(grid_of("chinchilla", synthetic::kEpoch, 0.004));
  return fit;
}

TEST(Ensemble, TheLawOfThePointsLeadsAndPredicts) {
  const std::vector<double> kaplan = {6.4e13, 1.8e13, 0.076, 0.103};
  for (const auto& [law, values] :
       {std::pair{"chinchilla", synthetic::kEpoch}, std::pair{"kaplan-nd", kaplan}}) {
    const Fit result = ensemble_of(grid_of(law, values, 0));
    EXPECT_EQ(result.law, law);
    EXPECT_EQ(result.members.front().law, law);
    EXPECT_GT(result.members.front().weight, 0.99);
    const double far = synthetic::loss(find_law(law), values, {7e10, 1.4e12});
    EXPECT_NEAR(predict(result, 7e10, 1.4e12).value / far, 1, 1e-4);
  }
}

TEST(Ensemble, WeightsAreSharesAndDescend) {
  const Fit& result = noisy_fit();
  ASSERT_GE(result.members.size(), 2u);
  double sum = 0;
  for (std::size_t m = 0; m < result.members.size(); ++m) {
    sum += result.members[m].weight;
    EXPECT_LE(result.members[m].weight, result.members[m == 0 ? 0 : m - 1].weight);
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Ensemble, AFitReadAgainPredictsTheSameBits) {
  const Fit& result = noisy_fit();
  const Fit again = fit_from_json(to_json(result), "fit.json");
  EXPECT_EQ(to_json(again), to_json(result));
  EXPECT_EQ(to_json(predict(result, 7e10, 1.4e12)), to_json(predict(again, 7e10, 1.4e12)));
}

TEST(Ensemble, IntervalsSayWhatTheyHeldOnThePoints) {
  const Fit& result = noisy_fit();
  EXPECT_EQ(result.rollout.cuts.size(), 8u);  // nine budgets
  const Interval interval = *predict(result, 1e10, 1e12).interval;
  ASSERT_TRUE(interval.measured_coverage.has_value());
  EXPECT_GT(*interval.measured_coverage, 0.6);
  EXPECT_GT(measured_coverage(result.rollout, 0.99), measured_coverage(result.rollout, 0.5));
}

TEST(Ensemble, WhatTheLawsSayAndWhatTheyMissedAreNotAdded) {
  const Mixture mixture = {.noise = 1e-4, .parameters = 2e-4, .disagreement = 2e-4};
  Rollout rollout;
  rollout.scale = 0.5;
  rollout.drift = 1e-4;
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, 0), 2.5e-4);
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, -3), 2.5e-4);
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, 1), 2.5e-4);  // 1e-4 of drift, below 2e-4
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, 2), 0.5e-4 + 8e-4);
}

// A surface that bends in ln C, as none of the laws does.
TEST(Ensemble, MissesOfOneSignAreADrift) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.004, 3);
  const double bend = 0.004;
  for (std::size_t i = 0; i < points.size(); ++i)
    points.loss[i] *= std::exp(bend * std::pow(std::log(points.flops[i] / 6e18), 2));
  const double plain = noisy_fit().rollout.drift;
  EXPECT_GT(ensemble_of(points).rollout.drift, 4 * plain) << plain;
}

TEST(Ensemble, ReadsOneVariableWhenOnlyOneVaries) {
  Points points;
  for (double params = 1e6; params < 1e10; params *= 3) {
    points.params.push_back(params);
    points.tokens.push_back(1e12);
    points.loss.push_back(1.7 + 400 / std::pow(params, 0.34));
  }
  const Fit result = ensemble_of(points);
  EXPECT_EQ(result.variable, "params");
  EXPECT_NEAR(predict(result, 1e11, 1e12).value, 1.7 + 400 / std::pow(1e11, 0.34), 1e-3);
}

TEST(Ensemble, RefusesAMethodAndTooFewPoints) {
  const Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  EXPECT_THROW(fit(points, {.law = "ensemble", .method = "approach2"}), InputError);
  EXPECT_THROW(ensemble_of(select(points, std::vector<std::size_t>{0, 1})), InputError);
}

}  // namespace
}  // namespace isoflop::laws
