#include "experiment/costs.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/harness/scratch_directory.hpp"
#include "tests/unit/experiment/studies.hpp"

namespace isoflop::experiment {
namespace {

constexpr double kRate = 1024;  // tokens a second: a step a second

Plan timed(const std::string& grids) {
  const test::ScratchDirectory scratch;
  Plan plan = plan_of(kBase + grids);
  Rates rates(scratch.path() / "calibration.json");
  predict_seconds(plan, rates, [](const PlannedRun&) { return std::optional(kRate); });
  return plan;
}

std::vector<double> all_seconds(const Plan& plan) {
  std::vector<double> seconds;
  for (const PlannedRun& run : plan.runs) seconds.push_back(run.seconds);
  return seconds;
}

// 4096 validation tokens at a third of the cost of training: 4/3 s an evaluation.
TEST(Costs, SecondsCountOwnStepsAndEvaluations) {
  const Plan plan = timed("[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n");
  EXPECT_DOUBLE_EQ(plan.runs[0].seconds, 4 + 4.0 / 3);  // a branch trains its decay alone
  EXPECT_DOUBLE_EQ(plan.runs[1].seconds, 10 + 4.0 / 3);
  EXPECT_DOUBLE_EQ(plan.runs[2].seconds, 40 + 4.0 / 3);
}

TEST(Costs, OneProcessTakesTheSum) {
  const Plan plan = timed("[[grid]]\ntokens = [20_480, 51_200]\nbranch = true\n");
  const std::vector<double> seconds = all_seconds(plan);
  EXPECT_NEAR(wall_seconds(plan, seconds, 1), std::accumulate(seconds.begin(), seconds.end(), 0.0),
              1e-9);
}

// The branch of 20 steps leaves the trunk at step 16 and is done long before the other, which
// waits for the trunk's end.
TEST(Costs, ABranchRunsBesideItsTrunk) {
  const Plan plan = timed("[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n");
  const double both = wall_seconds(plan, all_seconds(plan), 2);
  EXPECT_NEAR(both, plan.runs[2].seconds + plan.runs[1].seconds, 1e-9);
  EXPECT_DOUBLE_EQ(critical_seconds(plan)[2], both);
}

TEST(Costs, WhatIsFinishedCostsNothing) {
  const Plan plan = timed("[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n");
  EXPECT_DOUBLE_EQ(wall_seconds(plan, {0, plan.runs[1].seconds, 0}, 2), plan.runs[1].seconds);
  EXPECT_DOUBLE_EQ(wall_seconds(plan, {0, 0, 0}, 2), 0);
}

TEST(Costs, RatesAreMeasuredOnceAShape) {
  const test::ScratchDirectory scratch;
  const std::filesystem::path file = scratch.path() / "sweep" / "calibration.json";
  int measured = 0;
  const auto measure = [&](const PlannedRun&) {
    ++measured;
    return std::optional(kRate);
  };
  for (int attempt = 0; attempt < 2; ++attempt) {
    Plan plan = plan_of(kBase + "[[grid]]\ntokens = [10_000, 20_000]\nseeds = [1, 2]\n");
    Rates rates(file);
    predict_seconds(plan, rates, measure);
    EXPECT_TRUE(plan.notes.empty());
  }
  EXPECT_EQ(measured, 2);  // sizes a and b
}

TEST(Costs, AnAssumedRateIsSaid) {
  const test::ScratchDirectory scratch;
  Plan plan = plan_of(kBase + "[[grid]]\nsizes = ['a']\ntokens = [10_240]\n");
  Rates rates(scratch.path() / "calibration.json");
  predict_seconds(plan, rates, [](const PlannedRun&) { return std::optional<double>(); });
  ASSERT_EQ(plan.notes.size(), 1u);
  EXPECT_NE(plan.notes[0].find("assume 1e+10 FLOP/s"), std::string::npos);
  EXPECT_GT(plan.runs[0].seconds, plan.runs[0].flops_exact() / kAssumedFlops);
}

TEST(Costs, TheLargestProcessesMeet) {
  Plan plan = plan_of(kBase + "[[grid]]\ntokens = [10_240, 20_480]\n");
  plan.runs[1].memory_bytes = 500;
  plan.runs[2].memory_bytes = kMemory + 7;
  std::vector<bool> counts(4, true);
  EXPECT_EQ(memory_at_once(plan, counts, 2), 2 * kMemory + 7);
  EXPECT_EQ(memory_at_once(plan, counts, 100), 3 * kMemory + 507);
  counts = {false, true, false, true};
  EXPECT_EQ(memory_at_once(plan, counts, 2), kMemory + 500);
  EXPECT_EQ(memory_at_once(plan, {false, false, false, false}, 2), 0);
}

}  // namespace
}  // namespace isoflop::experiment
