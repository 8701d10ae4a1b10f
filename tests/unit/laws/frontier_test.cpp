#include "laws/fit/frontier.hpp"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/plan/optimal.hpp"
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

/// The published bias of D* at 1e24 FLOP, and the same from the report of the bias.
void expect_token_bias_percent(double alpha, double beta, double published) {
  const std::vector<double> values = {1.69, 406.4, 410.7, alpha, beta};
  const Fit result = fit(profiles(values, 4), kApproach2);
  const double truth = find_law("chinchilla").optimum(synthetic::to_vector(values), 1e24)->tokens;
  EXPECT_NEAR(100 * (optimal(result, 1e24).tokens / truth - 1), published, 0.05);
  ASSERT_TRUE(result.bias.has_value());
  EXPECT_NEAR(100 * result.bias->tokens, published, 0.05);
  EXPECT_NEAR(result.bias->exponent, 0, 1e-5);  // the budgets are centred
  EXPECT_NEAR(result.bias->alpha, alpha, 1e-4);
}

TEST(Approach2, ReproducesAndReportsThePublishedBiasOfItsParabola) {
  expect_token_bias_percent(0.34, 0.28, -1.30);
  expect_token_bias_percent(0.465, 0.155, -6.50);
  expect_token_bias_percent(0.31, 0.31, 0.0);
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
  EXPECT_EQ(result.warnings.front().find(
                "the best N sits at the edge of your grid at 1 of 5 budgets: add sizes below "),
            0u)
      << result.warnings.front();
}

TEST(Approach2, RefusesWhenFewBudgetsHaveAMinimum) {
  EXPECT_THROW(fit(profiles(synthetic::kEpoch, 4, 30), kApproach2), InputError);
}

TEST(Approach2, NamesTheSizesToAddWhereTheBestIsAboveTheGrid) {
  Points points = profiles(synthetic::kEpoch, 4);
  for (std::size_t i = 0; i < 30; ++i) {  // the two smallest budgets, the same four sizes
    points.params[i] = 1e6 * (1 + static_cast<double>(i % 15));
    const double flops = i < 15 ? 1e17 : 1e18;
    points.tokens[i] = flops / (6 * points.params[i]);
    points.loss[i] = synthetic::loss(find_law("chinchilla"), synthetic::kEpoch,
                                     {points.params[i], points.tokens[i]});
  }
  EXPECT_EQ(fit(points, kApproach2).warnings.front(),
            "the best N sits at the edge of your grid at 2 of 5 budgets: add sizes above 15M");
}

TEST(Approach2, RejectsParabolasThatNoiseCouldHaveBent) {
  Points points = profiles(synthetic::kEpoch, 4);
  for (std::size_t i = 0; i < 15; ++i) points.loss[i] = 4 + 0.01 * static_cast<double>(i * i % 7);
  const Fit result = fit(points, kApproach2);
  EXPECT_TRUE(result.budgets.front().rejected.starts_with("too little curvature") ||
              result.budgets.front().rejected.starts_with("the parabola opens downwards"))
      << result.budgets.front().rejected;
  EXPECT_TRUE(result.budgets.back().rejected.empty());
}

// Two budgets that say nothing, beside seven: draws that looked at them would be many times wider.
TEST(Approach2, DrawsAreMadeFromTheBudgetsInUse) {
  FitOptions options = kApproach2;
  options.bootstrap = 100;
  const Points good = synthetic::noisy_grid(synthetic::kEpoch, 0.002, 3);
  Points mixed = good;
  for (std::size_t i = 0; i < 18; ++i) mixed.loss[i] = 4 + 0.01 * static_cast<double>(i * i % 7);
  std::vector<std::size_t> rows;
  for (std::size_t i = 18; i < good.size(); ++i) rows.push_back(i);
  const Fit result = fit(mixed, options);
  const Fit alone = fit(select(good, rows), options);
  ASSERT_EQ(result.used, alone.used);
  EXPECT_EQ(result.draws.clusters, alone.used);
  EXPECT_EQ(result.draws.rows, alone.draws.rows);
}

// Budgets that bend away from every law: what those below foretold of those above counts.
TEST(Approach2, IntervalsHoldWhatBudgetsBelowMissedAbove) {
  Points straight = synthetic::noisy_grid(synthetic::kEpoch, 0.002, 3);
  Points bent = straight;
  for (std::size_t i = 0; i < bent.size(); ++i)
    bent.loss[i] *= std::exp(0.004 * std::pow(std::log(bent.flops[i] / 6e18), 2));
  const Fit fits[] = {fit(straight, kApproach2), fit(bent, kApproach2)};
  double widths[2] = {};
  for (const int k : {0, 1}) {
    EXPECT_EQ(fits[k].rollout.cuts.size(), 5u);  // nine budgets, four of them below the first
    EXPECT_NEAR(fits[k].residual_rms, 0.002, 0.0006);
    const Interval interval = *predict(fits[k], RunSize{.flops = 1e23}).interval;
    EXPECT_EQ(interval.not_calibrated, "");
    EXPECT_TRUE(interval.measured_coverage.has_value());
    widths[k] = std::log(interval.high / interval.low);
  }
  EXPECT_GT(widths[0], 2 * 1.28 * 0.0015);  // a run scatters, however sure the law is
  EXPECT_GT(widths[1], 2 * widths[0]);
  const Fit again = fit_from_json(to_json(fits[1]), "fit.json");
  EXPECT_EQ(to_json(again), to_json(fits[1]));
  EXPECT_EQ(predict(again, RunSize{.flops = 1e23}).interval->high,
            predict(fits[1], RunSize{.flops = 1e23}).interval->high);
}

TEST(Approach2, FewBudgetsAreNotCalibrated) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < 27; ++i) rows.push_back(i);
  const Fit result =
      fit(select(synthetic::noisy_grid(synthetic::kEpoch, 0.002, 3), rows), kApproach2);
  EXPECT_NE(predict(result, RunSize{.flops = 1e22}).interval->not_calibrated, "");
}

TEST(Approach2, WeightsAct) {
  Points points = profiles(synthetic::kEpoch, 4);
  points.weight.assign(points.size(), 1.0);
  const Fit even = fit(points, kApproach2);
  for (std::size_t i = 0; i < points.size(); ++i) points.weight[i] = i % 15 < 5 ? 9 : 1;
  EXPECT_GT(std::fabs(fit(points, kApproach2).budgets[0].params / even.budgets[0].params - 1),
            1e-4);
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

TEST(Approach2, NeitherOrderNorCopiesOfRowsChangeABit) {
  const Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.002, 3);
  FitOptions options = kApproach2;
  options.bootstrap = 10;
  const Fit once = fit(points, options);
  EXPECT_EQ(to_json(fit(synthetic::reversed(points), options)), to_json(once));
  Fit copied = fit(synthetic::halves(points), options);
  EXPECT_EQ(copied.left_out.size(), points.size());
  copied.left_out.clear();
  EXPECT_EQ(to_json(copied), to_json(once));
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
  EXPECT_THROW(predict(result, RunSize{.params = 1e9, .flops = flops}), InputError);
}

TEST(Frontier, AFileWhosePartsContradictIsRefused) {
  const std::string text = to_json(fit(profiles(synthetic::kEpoch, 4), kApproach2));
  EXPECT_NO_THROW(fit_from_json(text, "fit.json"));
  const auto edited = [&](const char* name, nlohmann::json value) {
    nlohmann::json json = nlohmann::json::parse(text);
    json["parameters"][name]["value"] = std::move(value);
    return json.dump();
  };
  for (const char* name : {"E", "K", "gamma"})
    EXPECT_THROW(fit_from_json(edited(name, 0.5), "fit.json"), InputError) << name;
  for (const char* name : {"G", "b", "gamma"})
    EXPECT_THROW(fit_from_json(edited(name, nullptr), "fit.json"), InputError) << name;
}

/// Of four budgets: the sizes of the first and of the others, by their place in profiles().
Fit four_budgets(const std::set<std::size_t>& first, const std::set<std::size_t>& others,
                 double noise) {
  Points points = profiles(synthetic::kEpoch, 4);
  RandomStream stream(4, Purpose::test);
  for (double& loss : points.loss) loss *= std::exp(noise * (stream.next_uniform() - 0.5));
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < 60; ++i)
    if ((i < 15 ? first : others).contains(i % 15)) rows.push_back(i);
  FitOptions options = kApproach2;
  options.bootstrap = 200;
  return fit(select(points, rows), options);
}

/// Of five sizes each: many draws have a minimum at three of them alone. Lines go through these,
/// but no loss law with a floor.
const std::set<std::size_t> kFiveSizes = {1, 4, 7, 10, 13};

std::string warnings_of(const Fit& fit) { return fmt::format("{}", fmt::join(fit.warnings, "\n")); }

TEST(Frontier, ADrawThatLosesABudgetLeavesTheLossOpenAndKeepsTheLines) {
  const Fit result = four_budgets(kFiveSizes, kFiveSizes, 0);
  ASSERT_GT(result.values()[kFloor], 0);
  std::size_t open = 0;
  for (const auto& row : result.draws.rows) {
    EXPECT_TRUE(std::isfinite(row[kExponentN]));
    if (std::isnan(row[kFloor]))
      ++open;
    else
      EXPECT_GT(row[kFloor], 0);  // of the law of the fit
  }
  EXPECT_GT(open, 20u);
  EXPECT_GT(result.draws.rows.size(), 180u);
  EXPECT_EQ(to_json(fit_from_json(to_json(result), "fit.json")), to_json(result));
}

TEST(Frontier, WhatTooManyDrawsLeaveOpenHasNoInterval) {
  const Fit result = four_budgets(kFiveSizes, kFiveSizes, 0);
  for (const std::size_t i : {kFloor, kK, kGamma}) {
    EXPECT_TRUE(std::isnan(result.parameters[i].low)) << result.parameters[i].name;
    EXPECT_TRUE(std::isnan(result.parameters[i].standard_error)) << result.parameters[i].name;
  }
  for (const std::size_t i : {kG, kExponentN, kH, kExponentD})
    EXPECT_LT(result.parameters[i].low, result.parameters[i].high) << result.parameters[i].name;
  EXPECT_NE(warnings_of(result).find("leave E, K and gamma open: no intervals of them"),
            std::string::npos)
      << warnings_of(result);
  const Optimum of_budget = optimal(result, 1e22);
  EXPECT_TRUE(of_budget.params_interval.has_value());
  Goal goal;
  goal.loss = of_budget.prediction.value;
  const Optimum of_loss = optimal(result, goal);
  EXPECT_FALSE(of_loss.params_interval.has_value());
  EXPECT_TRUE(of_loss.is_spread_unknown);
  EXPECT_FALSE(of_budget.is_spread_unknown);
  EXPECT_FALSE(of_loss.flops_interval.has_value());
  EXPECT_NE(fmt::format("{}", fmt::join(of_loss.warnings, "")).find("leave this open"),
            std::string::npos);
}

TEST(Frontier, LostDrawsNameTheSizesThatWouldKeepThem) {
  const Fit result =
      four_budgets({0, 1, 2, 3, 4, 5, 6, 8}, {1, 2, 4, 5, 7, 8, 10, 11, 13}, 0.02);  // best: 7
  EXPECT_NE(
      warnings_of(result).find(" draws have no minimum at 1e+17 FLOP, the most of any budget"),
      std::string::npos)
      << warnings_of(result);
  EXPECT_NE(warnings_of(result).find(": add sizes above "), std::string::npos)
      << warnings_of(result);
}

TEST(Frontier, MoreDrawsAreLostThanBelongBeyondAnEnd) {
  EXPECT_FALSE(are_too_many_lost(0, 0, 0.8));
  EXPECT_FALSE(are_too_many_lost(100, 1000, 0.8));
  EXPECT_FALSE(are_too_many_lost(2, 20, 0.8));
  EXPECT_FALSE(are_too_many_lost(50, 1000, 0.9));
  EXPECT_FALSE(are_too_many_lost(25, 1000, 0.95));
  EXPECT_TRUE(are_too_many_lost(101, 1000, 0.8));
  EXPECT_TRUE(are_too_many_lost(30, 1000, 0.95));
}

TEST(Frontier, TheBudgetIsTheFlopOfItsOptimum) {
  FitOptions options = kApproach2;
  options.bootstrap = 50;
  const Fit result = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.002, 3), options);
  const Optimum fixed = optimal(result, 1e22);
  EXPECT_EQ(fixed.flops, 1e22);
  EXPECT_EQ(fixed.flops_interval->low, 1e22);
  EXPECT_EQ(fixed.flops_interval->high, 1e22);
  Goal goal;
  goal.loss = fixed.prediction.value;
  EXPECT_NEAR(optimal(result, goal).flops / 1e22, 1, 1e-9);
}

}  // namespace
}  // namespace isoflop::laws
