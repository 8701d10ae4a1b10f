// What fits below a cut know: the points below it, and nothing else.
#include "laws/rollout.hpp"

#include <gtest/gtest.h>

#include "laws/objective.hpp"
#include "laws/search.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

constexpr double kDelta = 1e-3;

const std::vector<const char*> kLawsOfBoth = {"chinchilla", "kaplan-nd", "over-training",
                                              "farseer"};

LawRollout rollout_of(const Points& prepared, const Law& law) {
  return roll_out({&law, law.variables}, prepared, compute_cuts(prepared), kDelta,
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
  const std::vector<double> gaps = compute_cuts(budgets);
  ASSERT_EQ(gaps.size(), 4u);
  for (std::size_t k = 0; k < gaps.size(); ++k)
    EXPECT_NEAR(gaps[k] / (1.11e18 * std::pow(10.0, static_cast<double>(k))), 1, 1e-12);
  const std::vector<double> dense = compute_cuts(continuum);
  EXPECT_GE(dense.size(), 4u);
  EXPECT_LT(dense.back(), continuum.flops.back());
}

TEST(Rollout, PointsAboveACutChangeNoBitOfItsFit) {
  const Points points = prepare(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5));
  const double cut = compute_cuts(points)[4];
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
  const std::vector<double> cuts = compute_cuts(points);
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
