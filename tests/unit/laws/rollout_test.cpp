// What fits below a cut know: the points below it, and nothing else.
#include "laws/fit/rollout.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "laws/numerics/robust_deviation.hpp"
#include "laws/predict/predict.hpp"
#include "laws/predict/report.hpp"
#include "laws/search/objective.hpp"
#include "laws/search/search.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

constexpr double kDelta = 1e-3;

const std::vector<const char*> kLawsOfBoth = {"chinchilla", "kaplan-nd", "over-training",
                                              "farseer"};

Cuts in_compute(const Points& prepared) {
  return cut_points(prepared, growth_in_compute(prepared));
}

LawRollout rollout_of(const Points& prepared, const Law& law) {
  return roll_out({&law, law.variables}, prepared, in_compute(prepared), kDelta,
                  law.coordinates(example_values(law)));
}

Points below(const Points& prepared, double cut) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < prepared.size(); ++i)
    if (prepared.flops[i] <= cut) rows.push_back(i);
  return select(prepared, rows);
}

TEST(Rollout, CutsBetweenBudgetsAndInsideAContinuum) {
  Points budgets;
  Points continuum;
  for (int i = 0; i < 60; ++i) {
    budgets.flops.push_back(1e18 * std::pow(10.0, i / 12) * (1 + 0.01 * (i % 12)));
    continuum.flops.push_back(1e18 * std::pow(1.04, 2 * i));
    continuum.flops.push_back(1e18 * std::pow(1.04, 2 * i + 1));
  }
  const std::vector<double> gaps = in_compute(budgets).sizes;
  ASSERT_EQ(gaps.size(), 4u);
  for (std::size_t k = 0; k < gaps.size(); ++k)
    EXPECT_NEAR(gaps[k] / (1.11e18 * std::pow(10.0, static_cast<double>(k))), 1, 1e-12);
  const std::vector<double> dense = in_compute(continuum).sizes;
  EXPECT_GE(dense.size(), 4u);
  EXPECT_LT(dense.back(), continuum.flops.back());
}

TEST(Rollout, PointsAboveACutChangeNoBitOfItsFit) {
  const Points points = prepare(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5));
  const double cut = in_compute(points).sizes[4];
  Points changed = points;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (points.flops[i] > cut) changed.loss[i] *= 1.3;
  for (const char* name : kLawsOfBoth) {
    const Law& law = find_law(name);
    const LawRollout a = rollout_of(points, law);
    const LawRollout b = rollout_of(changed, law);
    for (std::size_t k = 0; k <= 4; ++k) {
      ASSERT_EQ(a.stages[k].has_value(), b.stages[k].has_value()) << name;
      if (a.stages[k]) {
        EXPECT_EQ(a.stages[k]->theta, b.stages[k]->theta) << name << " " << k;
      }
    }
  }
}

TEST(Rollout, FewStartsFindWhatAllOfThemFind) {
  const Points points = prepare(synthetic::noisy_grid(synthetic::kEpoch, 0.01, 6));
  const std::vector<double> cuts = in_compute(points).sizes;
  for (const char* name : kLawsOfBoth) {
    const Law& law = find_law(name);
    const LawRollout rollout = rollout_of(points, law);
    for (const std::size_t k : {std::size_t{1}, cuts.size() / 2}) {
      ASSERT_TRUE(rollout.stages[k]);
      const Samples samples = law.rows(below(points, cuts[k]), law.variables);
      const Objective objective(law, samples, kDelta);
      const double all = search(objective, law.starts(samples)).best.objective;
      EXPECT_LE(objective.value(rollout.stages[k]->theta), all * (1 + 1e-6)) << name << " " << k;
    }
  }
}

/// Twice each of twelve sizes, with 0.4% of noise; `bend` of the slope above 1e8.
Points line_of(Variable variable, const Range& range, double bend) {
  Points points;
  RandomStream stream(4, Purpose::test);
  for (int i = 0; i < 24; ++i) {
    const double x = range.low * std::pow(range.high / range.low, (i / 2) / 11.0);
    quantity(points, variable).push_back(x);
    points.loss.push_back((1.7 + 400 / std::pow(x, 0.34)) * std::pow(1 + x / 1e7, bend) *
                          std::exp(0.008 * (stream.next_uniform() - 0.5)));
  }
  return points;
}

TEST(Growth, ALawOfOneVariableIsCutAlongIt) {
  const Points straight = line_of(Variable::params, {1e6, 1e9}, 0);
  const Fit result = fit(straight, {.law = "power-offset", .variable = "params", .bootstrap = 0});
  EXPECT_EQ(describe(result.rollout.growth), "params");
  EXPECT_GE(result.rollout.cuts.size(), 6u);
  EXPECT_EQ(result.rollout.reach, std::vector<double>{1e9});
  const auto at = [](const Fit& by, double params) {
    return *predict(by, RunSize{.params = params}).interval;
  };
  EXPECT_TRUE(at(result, 1e10).measured_coverage.has_value());
  EXPECT_EQ(at(result, 1e10).not_calibrated, "");
  const Fit bent = fit(line_of(Variable::params, {1e6, 1e9}, -0.03),
                       {.law = "power-offset", .variable = "params", .bootstrap = 0});
  EXPECT_GT(bent.rollout.drift, result.rollout.drift);
  EXPECT_GT(at(bent, 1e11).high / at(bent, 1e11).low, at(bent, 1e10).high / at(bent, 1e10).low);
}

TEST(Growth, ComputeOfTheSameRunsPartsThemAlike) {
  Points points = line_of(Variable::params, {1e6, 1e9}, 0);
  const FitOptions options = {.law = "kaplan-n", .bootstrap = 0};
  const Fit without = fit(points, options);
  points.tokens.assign(points.size(), 1e12);
  const Fit with = fit(points, options);
  EXPECT_EQ(without.rollout.scale, with.rollout.scale);
  EXPECT_EQ(without.rollout.nested_scores, with.rollout.nested_scores);
}

/// Tuned batches that grow as D^(0.5 + `bend` ln D), D in 1e9 tokens.
Points batches_of(double bend) {
  Points points;
  for (int i = 0; i < 12; ++i) {
    const double log_tokens = std::log(2.0) * i;
    points.tokens.push_back(1e9 * std::exp(log_tokens));
    points.batch.push_back(1e5 * std::exp((0.5 + bend * log_tokens) * log_tokens));
  }
  return points;
}

// A law that is linear in its coordinates misses ten times as much where the bend is ten times as
// large, and so does its drift: a factor of two is no miss of a batch that is cut off.
TEST(Growth, MissesOfTunedSettingsCountUpToFactors) {
  const auto drift = [](double bend) {
    const FitOptions options = {.law = "step-batch", .huber_delta = 10, .bootstrap = 0};
    return fit(batches_of(bend), options).rollout;
  };
  const Rollout slight = drift(0.002);
  const Rollout strong = drift(0.02);
  EXPECT_GT(std::ranges::max(strong.cuts, {}, &RolloutCut::rms_miss).rms_miss, std::log(1.5));
  EXPECT_NEAR(strong.drift / slight.drift, 100, 1e-3);
}

// Runs of a lower loss are the larger ones.
TEST(Growth, ALossFallsAsRunsGrow) {
  Points points = find_law("accuracy-sigmoid").example();
  RandomStream stream(1, Purpose::test);
  for (double& accuracy : points.accuracy) accuracy += 0.01 * (stream.next_uniform() - 0.5);
  const Fit result = fit(points, {.law = "accuracy-sigmoid", .bootstrap = 0});
  ASSERT_FALSE(result.rollout.cuts.empty());
  const double lowest = std::ranges::min(points.task_loss);
  const auto width = [&](double task_loss) {
    const Interval interval = *predict(result, RunSize{.task_loss = task_loss}).interval;
    EXPECT_EQ(interval.not_calibrated, "");
    return interval.high - interval.low;
  };
  Fit drifting = result;
  drifting.rollout.drift = 1e-2;
  const double inside = 1.5 * lowest;
  EXPECT_EQ(predict(drifting, RunSize{.task_loss = inside}).interval->high,
            predict(result, RunSize{.task_loss = inside}).interval->high);
  EXPECT_GT(predict(drifting, RunSize{.task_loss = 0.7 * lowest}).interval->high -
                predict(drifting, RunSize{.task_loss = 0.7 * lowest}).interval->low,
            width(0.7 * lowest));
}

TEST(Growth, SeveralVariablesWithoutComputeGrowByTheirProduct) {
  Points points = find_law("kaplan-ns").example();
  const Fit result = fit(points, {.law = "kaplan-ns", .bootstrap = 0});
  EXPECT_EQ(describe(result.rollout.growth), "params x steps");
  EXPECT_FALSE(result.rollout.cuts.empty());
  EXPECT_EQ(result.rollout.reach,
            (std::vector<double>{std::ranges::max(points.params) * std::ranges::max(points.steps),
                                 std::ranges::max(points.params), std::ranges::max(points.steps)}));
}

TEST(Growth, PointsOfOneSizeSayThatNothingIsCalibrated) {
  Points points;
  for (int i = 0; i < 8; ++i) {
    points.params.push_back(1e8 * (1 + 0.01 * i));
    points.loss.push_back(3 - 0.001 * i);
  }
  const Fit result = fit(points, {.law = "kaplan-n", .bootstrap = 0});
  const Interval interval = *predict(result, RunSize{.params = 1e9}).interval;
  EXPECT_EQ(interval.not_calibrated,
            "the points do not span enough params to fit some and foretell others");
  EXPECT_NE(describe(result, {predict(result, RunSize{.params = 1e9})}).find("not calibrated: "),
            std::string::npos);
}

TEST(Rollout, CountsForecastsAndPointsApart) {
  Rollout rollout;
  rollout.cuts = {{1e18, 10, 20, 20, 0.1, 0}, {1e19, 20, 10, 10, 0.1, 0}};
  EXPECT_EQ(rollout.forecasts(), 30u);
  EXPECT_EQ(rollout.describe_held_out(), "20");
  rollout.cuts[0] = {1e18, 10, 4000, 1000, 0.1, 0};
  EXPECT_EQ(rollout.forecasts(), 1010u);
  EXPECT_EQ(rollout.describe_held_out(), "1000 of 4000");
}

// A task loss that scatters by 10% and an accuracy that scatters by 0.001.
TEST(Rollout, TheNoiseOfALawInTwoStepsIsThatOfItsResponse) {
  const Law& law = find_law("task-ladder");
  Points points = law.example();
  RandomStream stream(1, Purpose::test);
  for (std::size_t i = 0; i < points.size(); ++i) {
    points.task_loss[i] *= std::exp(0.2 * (stream.next_uniform() - 0.5));
    points.accuracy[i] += 0.002 * (stream.next_uniform() - 0.5);
  }
  const Points prepared = prepare(points);
  const LawRollout rollout =
      roll_out({&law, law.variables}, prepared, {}, kDelta, law.coordinates(example_values(law)));
  EXPECT_LT(rollout.stages.back()->residual_rms, 0.002);
  EXPECT_GT(rollout.stages.back()->residual_rms, 0.0002);
}

TEST(Rollout, ARunGoneWrongIsNoNoiseOfTheOthers) {
  const Law& law = find_law("chinchilla");
  const Vector theta = law.coordinates(synthetic::to_vector(synthetic::kEpoch));
  const auto noise_of = [&](double factor) {
    Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5);
    points.loss[7] *= factor;
    const Samples samples = law.rows(prepare(points), law.variables);
    return make_stage(law, samples, samples, theta).noise;
  };
  const double clean = noise_of(1);
  EXPECT_NEAR(clean, 0.004, 0.001);
  EXPECT_GT(noise_of(1.02), clean);  // too near to be told from noise
  EXPECT_LT(noise_of(1.05), noise_of(1.02));
  EXPECT_DOUBLE_EQ(noise_of(1.5), noise_of(1.05));
}

TEST(RobustDeviation, IsThatOfTheMiddleHoweverFarTheOthersLie) {
  EXPECT_NEAR(robust_deviation({3, 1, 2, 4, 1e9}, 0), 3 / 0.67449, 1e-4);
  EXPECT_NEAR(robust_deviation({3, 1, 2, 4, 1e9}, 2), 4 / 0.67449, 1e-4);
  EXPECT_GT(robust_deviation({1, 2, 3}, 3), 2);  // of the two largest the larger
  EXPECT_TRUE(std::isinf(robust_deviation({}, 0)));
}

TEST(Search, AThinnedPointKeepsAllItsRows) {
  const Law& law = find_law("task-ladder");
  Points points = law.example();
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < 64; ++i) rows.push_back(i);
  const Samples few = thin_out(law.rows(prepare(select(points, rows)), law.variables), 32);
  ASSERT_EQ(few.size(), 64u);  // 32 points
  std::size_t to_loss = 0;
  for (std::size_t i = 0; i < few.size(); ++i) to_loss += few.row(i)[2] == 1;
  EXPECT_EQ(to_loss, 32u);
}

}  // namespace
}  // namespace isoflop::laws
