#include "experiment/plan.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"
#include "experiment/stored_plan.hpp"
#include "tests/unit/experiment/studies.hpp"

namespace isoflop::experiment {
namespace {

constexpr std::int64_t kStep = 1024;  // tokens

const PlannedRun& find(const Plan& plan, const std::string& label) {
  for (const PlannedRun& run : plan.runs) {
    if (run.label == label) return run;
  }
  throw Error("no run " + label);
}

TEST(Plan, SizesTimesTokensTimesSeeds) {
  const Plan plan = plan_of(kBase + "[[grid]]\ntokens = [10_000, 20_480]\nseeds = [1, 2]\n");
  EXPECT_EQ(plan.runs.size(), 8u);
  const PlannedRun& run = find(plan, "b-D10000-s2");
  EXPECT_EQ(run.config.tokens(), 10 * kStep);  // 10,000 rounded up to whole steps
  EXPECT_EQ(run.config.train.seed, 2);
  EXPECT_EQ(run.role, Role::fit);
  EXPECT_EQ(run.budget, 0);
  EXPECT_EQ(run.own_tokens(), run.config.tokens());
  std::set<std::string> ids;
  for (const PlannedRun& each : plan.runs) ids.insert(each.id);
  EXPECT_EQ(ids.size(), 8u);
}

// N of size b: embedding 257 x 64, two blocks of 12 x 64^2, and five norms of 64.
TEST(Plan, IsoFlopCellsSpendTheirBudget) {
  constexpr std::int64_t kN = 257 * 64 + 2 * 12 * 64 * 64 + 5 * 64;
  const Plan plan = plan_of(kBase + "[[grid]]\nsizes = ['b']\nbudgets = [1e11]\n");
  const PlannedRun& run = find(plan, "b-C1e11-s1");
  EXPECT_EQ(run.n_total, kN);
  EXPECT_EQ(run.n_non_embedding, kN - 257 * 64);
  EXPECT_EQ(run.budget, 1e11);
  EXPECT_EQ(run.config.steps, std::llround(1e11 / 6.0 / kN / kStep));
  EXPECT_NEAR(run.flops_6nd(), 1e11, 6.0 * kN * kStep / 2);  // half a step
}

TEST(Plan, TokensPerParameter) {
  const Plan plan = plan_of(kBase + "[[grid]]\nsizes = ['b']\ntokens_per_parameter = [2.5]\n");
  const PlannedRun& run = find(plan, "b-R2.5-s1");
  EXPECT_NEAR(static_cast<double>(run.config.tokens()), 2.5 * static_cast<double>(run.n_total),
              kStep / 2.0);
}

TEST(Plan, BranchesShareATrunk) {
  const Plan plan =
      plan_of(kBase + "[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n");
  ASSERT_EQ(plan.runs.size(), 3u);
  const PlannedRun& trunk = find(plan, "a-trunk-s1");
  EXPECT_EQ(trunk.role, Role::trunk);
  EXPECT_EQ(trunk.config.schedule.decay_fraction, 0);
  EXPECT_EQ(trunk.config.tokens(), 40 * kStep);  // 0.8 of 50 steps
  EXPECT_EQ(trunk.config.checkpoint.at_tokens, (std::vector<std::int64_t>{16 * kStep, 40 * kStep}));
  const PlannedRun& branch = find(plan, "a-D20480-s1");
  ASSERT_TRUE(branch.trunk);
  EXPECT_EQ(&plan.runs[*branch.trunk], &trunk);
  EXPECT_EQ(branch.first_step, 16);
  EXPECT_EQ(branch.own_tokens(), 4 * kStep);
  EXPECT_EQ(config::trunk_id(branch.config), config::trunk_id(trunk.config));
}

// Whatever D is, the stable point of a branch lies between two steps.
TEST(Plan, DecaysAreWholeSteps) {
  const Plan plan = plan_of(kBase +
                            "[[grid]]\nsizes = ['a']\ntokens = { from = 5e4, to = 9e5, count = 23 }"
                            "\nbranch = true\n");
  for (const PlannedRun& run : plan.runs) {
    if (run.role == Role::trunk) continue;
    const std::int64_t stable = optim::stable_tokens(run.config.schedule, run.config.tokens());
    EXPECT_EQ(stable, run.first_step * kStep) << run.label;
    EXPECT_NEAR(run.config.schedule.decay_fraction, 0.2, 0.5 / 49) << run.label;
  }
}

TEST(Plan, LabelsOfARangeHaveThreeDigits) {
  const Plan plan = plan_of(kBase +
                            "[[grid]]\nsizes = ['a']\ntokens_per_parameter = { from = 5.0, to = "
                            "139.4, count = 3 }\n");
  EXPECT_EQ(plan.runs[1].label, "a-R26.4-s1");
}

TEST(Plan, ABranchHasTheNameOfThePlainRun) {
  const std::string grid = "[[grid]]\ntokens = [20_000, 50_000]\n";
  const Plan plain = plan_of(kBase + grid);
  const Plan branched = plan_of(kBase + grid + "branch = true\n");
  for (const PlannedRun& run : plain.runs) {
    EXPECT_EQ(find(branched, run.label).id, run.id);
    EXPECT_EQ(config::to_toml(find(branched, run.label).config), config::to_toml(run.config));
  }
}

TEST(Plan, ALoneBranchNeedsNoTrunk) {
  const Plan plan = plan_of(kBase + "[[grid]]\ntokens = [20_480]\nbranch = true\n");
  EXPECT_EQ(plan.runs.size(), 2u);
  for (const PlannedRun& run : plan.runs) EXPECT_FALSE(run.trunk) << run.label;
}

TEST(Plan, GridsOfOneSizeShareItsTrunk) {
  const Plan plan = plan_of(kBase +
                            "[[grid]]\nsizes = ['a']\ntokens = [20_480]\nbranch = true\n"
                            "[[grid]]\nsizes = ['a']\nbudgets = [1e10]\nbranch = true\n");
  ASSERT_EQ(plan.runs.size(), 3u);
  EXPECT_EQ(plan.runs[0].trunk, plan.runs[1].trunk);
  EXPECT_EQ(plan.runs[2].label, "a-trunk-s1");
}

// Both would train in one directory.
TEST(Plan, AFitThatIsTheTrunkOfOthersServesAsIt) {
  const std::string branches =
      "[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n";
  const std::string flat =
      "[[size]]\nlabel = 'flat'\nmodel.layers = 1\nmodel.width = 32\n"
      "schedule.decay_fraction = 0.0\ncheckpoint.at_tokens = [10_240]\n";
  const Plan plan =
      plan_of(kBase + flat + branches + "[[grid]]\nsizes = ['flat']\ntokens = [40_960]\n");
  ASSERT_EQ(plan.runs.size(), 3u);
  const PlannedRun& trunk = find(plan, "flat-D40960-s1");
  EXPECT_EQ(trunk.role, Role::fit);
  EXPECT_EQ(trunk.config.checkpoint.at_tokens,
            (std::vector<std::int64_t>{10 * kStep, 16 * kStep, 40 * kStep}));
  for (const char* label : {"a-D20480-s1", "a-D51200-s1"})
    EXPECT_EQ(&plan.runs[find(plan, label).trunk.value()], &trunk) << label;
  ASSERT_EQ(plan.notes.size(), 1u);
  EXPECT_EQ(plan.notes[0],
            "a-trunk-s1 is the same run as flat-D40960-s1 (40 steps); it is trained once");
  EXPECT_EQ(trouble(kBase + branches +
                    "[target]\nmodel.layers = 1\nmodel.width = 32\n"
                    "schedule.decay_fraction = 0.0\ntokens = 40_960\n"),
            "study.toml:34: target.tokens: is the same run as a-trunk-s1, from which grids branch; "
            "needed "
            "one of its own: change its tokens");
}

TEST(Plan, EqualRunsAreTrainedOnceAndThePlanSaysSo) {
  const Plan plan = plan_of(kBase + "[[grid]]\nsizes = ['a']\ntokens = [10_000, 10_001]\n");
  ASSERT_EQ(plan.runs.size(), 1u);
  ASSERT_EQ(plan.notes.size(), 1u);
  EXPECT_EQ(plan.notes[0],
            "a-D10001-s1 is the same run as a-D10000-s1 (10 steps); it is trained once");
}

TEST(Plan, ASettingThatNoRunReadsIsTold) {
  const Plan plan = plan_of(
      kBase +
      "[[size]]\nlabel = 'c'\nmodel.layers = 1\nmodel.width = 32\nschedule.name = 'cosine'\n"
      "schedule.decay_fraction = 0.3\n[[grid]]\nsizes = ['c']\ntokens = [10_000, 20_000]\n");
  ASSERT_EQ(plan.notes.size(), 1u);
  EXPECT_EQ(plan.notes[0].find("schedule.decay_fraction = 0.3 does nothing"), 0u);
}

TEST(Plan, ARunThatIsAskedForTwiceIsTrainedOnceAndThePlanSaysSo) {
  const std::string grid = "[[grid]]\nsizes = ['a']\ntokens = [10_000]\n";
  for (const std::string& grids :
       {grid + "seeds = [1, 1, 1]\n",
        std::string("[[grid]]\nsizes = ['a', 'a']\ntokens = [10_000]\n"), grid + grid}) {
    const Plan plan = plan_of(kBase + grids);
    EXPECT_EQ(plan.runs.size(), 1u) << grids;
    EXPECT_EQ(
        plan.notes,
        (std::vector<std::string>{"a-D10000-s1 is asked for more than once; it is trained once"}))
        << grids;
  }
}

TEST(Plan, RepeatedDataIsWarnedOf) {
  const Plan plan = plan_of(kBase + "[[grid]]\nsizes = ['a']\ntokens = [2_048_000]\n");
  EXPECT_DOUBLE_EQ(plan.runs[0].epochs(), 2.048);
  ASSERT_EQ(plan.notes.size(), 1u);
  EXPECT_NE(plan.notes[0].find("sees its data 2.05 times"), std::string::npos);
}

TEST(Plan, TheTargetIsApart) {
  const Plan plan = plan_of(kBase +
                            "[[grid]]\ntokens = [10_000]\n[target]\nmodel.layers = 3\n"
                            "model.width = 96\ntokens = 500_000\n");
  ASSERT_EQ(plan.runs.size(), 3u);
  EXPECT_EQ(plan.runs[2].role, Role::target);
  EXPECT_EQ(plan.runs[2].label, "target");
}

TEST(Plan, ATargetThatIsCalledAsAnotherRunIsRefused) {
  const std::string study = kBase +
                            "[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n"
                            "[target]\nmodel.layers = 3\nmodel.width = 96\ntokens = 500_000\n";
  for (const char* label : {"a-D20480-s1", "a-trunk-s1"}) {
    const std::string said = trouble(fmt::format("{}label = '{}'\n", study, label));
    EXPECT_TRUE(said.starts_with("study.toml:33: target.tokens: the target, run ")) << said;
    EXPECT_NE(said.find(fmt::format(", would be called '{}' as run {} of a grid is; needed a "
                                    "target.label of its own",
                                    label, find(plan_of(study), label).id)),
              std::string::npos)
        << said;
  }
}

// What a result is called must not move when the program does: results are found by these names.
TEST(Plan, NamesAreStable) {
  const Plan plan =
      plan_of(kBase + "[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n");
  EXPECT_EQ(plan.runs[0].id, "522609f17c00658e");
  EXPECT_EQ(plan.runs[2].id, "44b3ffad5c71abdb");
}

TEST(Plan, RefusesWhatCannotWork) {
  EXPECT_EQ(
      trouble(kBase + "[[grid]]\nsizes = ['a']\nbudgets = [1e7]\n"),
      "study.toml:28: grid[0].budgets: a budget of 1e7 FLOP for size a (N = 20608) gives D = "
      "80.87, needed at least the 1024 tokens of a step; raise it, leave the size out or take "
      "a smaller train.global_batch");
  EXPECT_EQ(
      trouble(kBase + "[[grid]]\nsizes = ['a']\ntokens = [2048]\n"),
      "study.toml:14: schedule.warmup_tokens: seen 2048, needed fewer than the 2048 tokens of "
      "the run (for run a-D2048-s1 of study.toml:28: grid[0].tokens)");
  EXPECT_EQ(trouble(kBase + "[[grid]]\nsizes = ['a']\ntokens_per_parameter = [1e20]\n"),
            "study.toml:28: grid[0].tokens_per_parameter: 1e20 tokens a parameter for size a (N = "
            "20608) needs D = 2.06e+24 tokens, needed at most 1e+18");
  EXPECT_EQ(
      trouble(kBase + "[[grid]]\nsizes = ['b']\ntokens = [10_000]\n[target]\nmodel.layers = 2\n"
                      "model.width = 64\noptimizer.learning_rate = 0.002\ntokens = 10_000\n"),
      "study.toml:33: target.tokens: is the same run as b-D10000-s1 of a grid, needed one that no "
      "fit sees");
}

// A sweep starts no mpirun.
TEST(Plan, RunsOfSeveralRanksAreRefused) {
  const std::string grid = "[[grid]]\ntokens = [20_480]\n";
  for (const char* key : {"pipeline", "data"}) {
    EXPECT_EQ(trouble(fmt::format("{}parallel.{} = 2\n{}", kBase, key, grid)),
              fmt::format("study.toml:26: parallel.{}: seen 2, needed 1 or no such key: a sweep "
                          "trains a run in one process",
                          key));
  }
  EXPECT_EQ(trouble(kBase + "parallel.data = 1\n" + grid), "accepted");
}

TEST(Plan, ALabelThatNoTableHoldsIsRefused) {
  std::string base = kBase;
  base.replace(base.find("label = \"a\""), 11, "label = \"" + std::string(32, 'a') + "\"");
  const std::string grid = "[[grid]]\nsizes = ['" + std::string(32, 'a') + "']\nbudgets = [";
  EXPECT_EQ(trouble(base + grid + "3e10]\nseeds = [9223372036854775807]\n"), "accepted");
  const std::string said =
      trouble(base + grid + "1.2345678901234e10]\nseeds = [9223372036854775807]\n");
  EXPECT_NE(said.find("study.toml:28: grid[0].budgets: the run would be called"), std::string::npos)
      << said;
  EXPECT_NE(said.find("at most 64 bytes"), std::string::npos) << said;
}

TEST(Plan, IsReadBackFromItsFile) {
  const Plan plan = plan_of(kBase +
                            "[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n"
                            "[[grid]]\nsizes = ['b']\nbudgets = [1e11]\n"
                            "[target]\nmodel.layers = 2\nmodel.width = 64\nflops = 3e11\n");
  const std::string text = plan_json(plan);
  const Plan read = plan_from_json(text, "plan.json");
  EXPECT_EQ(plan_json(read), text);
  ASSERT_EQ(read.runs.size(), plan.runs.size());
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    EXPECT_EQ(read.runs[i].config.steps, plan.runs[i].config.steps);
    EXPECT_EQ(read.runs[i].trunk, plan.runs[i].trunk);
    EXPECT_EQ(read.runs[i].role, plan.runs[i].role);
  }
  for (const std::string& damaged :
       {std::string("{}"), text.substr(0, text.size() / 2), text + "x",
        std::string(text).replace(text.find("width = 32"), 10, "width = 64")})
    EXPECT_THROW(plan_from_json(damaged, "plan.json"), InputError);
}

}  // namespace
}  // namespace isoflop::experiment
