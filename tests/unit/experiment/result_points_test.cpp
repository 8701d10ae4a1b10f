#include "experiment/result_points.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "laws/fit/fit.hpp"

namespace isoflop::experiment {
namespace {

record::ResultRow row(const char* run, const char* role, const char* status) {
  record::ResultRow row;
  row.run = run;
  row.role = role;
  row.status = status;
  row.n_total = 1000;
  row.n_non_embedding = 700;
  row.tokens = 20000;
  row.loss = 3.25;
  return row;
}

const FindRecord kNoRecords = [](const std::string&) { return std::nullopt; };

/// Losses D^-0.1 after 10 steps of warmup, 1,000 tokens a step.
record::RunData run_of(int steps) {
  record::RunData data;
  for (int step = 1; step <= steps; ++step) {
    const double lr = step <= 10 ? 0.1 * step : 1.0 / step;
    data.train.push_back(
        {step, std::int64_t{1000} * step, std::pow(1000.0 * step, -0.1), lr, 1, 1, 1});
  }
  return data;
}

TEST(ResultPoints, CountsParametersAsTheLawDoes) {
  record::Results results;
  results.rows = {row("one", "fit", "finished")};
  const laws::Points total =
      points_of(results, laws::counts_embeddings("chinchilla"), "results.h5", kNoRecords);
  EXPECT_EQ(total.params, std::vector<double>{1000});
  EXPECT_EQ(total.tokens, std::vector<double>{20000});
  EXPECT_EQ(total.loss, std::vector<double>{3.25});
  EXPECT_EQ(
      points_of(results, laws::counts_embeddings("kaplan-n"), "results.h5", kNoRecords).params,
      std::vector<double>{700});
}

// Three counts of one sweep are three sets of points, and each says which it is.
TEST(ResultPoints, CountsComputeAsAsked) {
  record::Results results;
  results.rows = {row("one", "fit", "finished")};
  results.rows[0].flops_exact = 1.5e8;
  results.rows[0].vocabulary = 512;
  results.rows[0].data_fingerprint = "0a1b2c3d";
  results.rows[0].context = 64;
  const auto points = [&](bool embeddings, FlopsKind flops) {
    return points_of(results, embeddings, "results.h5", kNoRecords, flops);
  };
  EXPECT_TRUE(points(true, FlopsKind::six_nd).flops.empty());  // 6 N D by default
  EXPECT_EQ(points(false, FlopsKind::exact).flops, std::vector<double>{1.5e8});
  EXPECT_EQ(points(false, FlopsKind::exact).params, std::vector<double>{700});
  EXPECT_EQ(describe(points(false, FlopsKind::exact).conventions),
            "params non-embedding; flops exact; loss nats; stage not stated; tokenizer vocabulary "
            "512; data 0a1b2c3d; context 64; evaluation validation");
  EXPECT_EQ(points(true, FlopsKind::six_nd).conventions.flops, "6nd");
}

std::string error_of(const record::Results& results) {
  try {
    points_of(results, true, "results.h5", kNoRecords);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ResultPoints, RefusesLossesOfTwoKinds) {
  const auto error_after = [](auto&& change) {
    record::Results results;
    results.rows = {row("one", "fit", "finished"), row("two", "fit", "finished")};
    change(results.rows[1]);
    return error_of(results);
  };
  EXPECT_EQ(error_after([](record::ResultRow&) {}), "no error");
  EXPECT_EQ(error_after([](record::ResultRow& two) { two.vocabulary = 512; }),
            "results.h5: vocabulary: run one has 0, run two has 512: their losses do not go into "
            "one fit; collect them in two sweeps, or give a CSV with the runs of one");
  EXPECT_NE(error_after([](record::ResultRow& two) {
              two.context = 512;
            }).find("context: run one has 0, run two has 512"),
            std::string::npos);
  EXPECT_NE(error_after([](record::ResultRow& two) {
              two.data_fingerprint = "0a1b";
            }).find("data_fingerprint: run one has , run two has 0a1b"),
            std::string::npos);
}

TEST(ResultPoints, RunsThatNoFitSeesMayBeOfAnotherKind) {
  record::Results results;
  results.rows = {row("target", "target", "finished"), row("failed", "fit", "failed"),
                  row("warming", "fit", "finished"), row("one", "fit", "finished")};
  for (std::size_t i = 0; i < 3; ++i) results.rows[i].vocabulary = 512;
  const FindRecord find = [](const std::string& run) {
    return std::optional(run_of(run == "warming" ? 8 : 400));
  };
  EXPECT_EQ(points_of(results, true, "results.h5", find).name, std::vector<std::string>{"one"});
}

TEST(ResultPoints, NamesTheRunsThatWereRestarted) {
  record::Results results;
  for (const char* name : {"one", "two", "three"})
    results.rows.push_back(row(name, "fit", "finished"));
  EXPECT_EQ(points_of(results, true, "results.h5", kNoRecords).notes.size(), 2u);
  results.rows[0].restarts = 1;
  results.rows[2].restarts = 4;
  const auto notes = points_of(results, true, "results.h5", kNoRecords).notes;
  EXPECT_EQ(notes.at(1), "2 of 3 runs went on after a restart: one, three");
  for (int i = 0; i < 12; ++i) {
    results.rows.push_back(row("more", "fit", "finished"));
    results.rows.back().restarts = 1;
  }
  EXPECT_TRUE(points_of(results, true, "results.h5", kNoRecords)
                  .notes.at(1)
                  .ends_with("more, more and 4 more"));
}

TEST(ResultPoints, LeavesOutTargetsAndUnfinishedRunsWithReasons) {
  record::Results results;
  results.rows = {row("one", "fit", "finished"), row("two", "fit", "failed"),
                  row("three", "target", "finished")};
  const laws::Points points =
      points_of(results, laws::counts_embeddings("chinchilla"), "results.h5", kNoRecords);
  EXPECT_EQ(points.name, std::vector<std::string>{"one"});
  ASSERT_EQ(points.left_out.size(), 2u);
  EXPECT_EQ(points.left_out[0].reason, "its status is failed");
  EXPECT_EQ(points.left_out[1].reason, "it is a target of the sweep: no fit sees it");
  results.rows.erase(results.rows.begin());
  EXPECT_THROW(points_of(results, laws::counts_embeddings("chinchilla"), "results.h5", kNoRecords),
               InputError);
}

TEST(ResultPoints, RunsOfOneTrunkAreOneGroup) {
  record::Results results;
  for (const char* name : {"a", "b", "other seed", "cosine"})
    results.rows.push_back(row(name, "fit", "finished"));
  for (record::ResultRow& one : results.rows) one.schedule = "wsd";
  results.rows[1].tokens = 40000;
  results.rows[2].seed = 7;
  results.rows[3].schedule = "cosine";
  const laws::Points points = points_of(results, true, "results.h5", kNoRecords);
  EXPECT_EQ(points.group, (std::vector<std::string>{"trunk of a", "trunk of a", "", ""}));
  results.rows.erase(results.rows.begin());
  EXPECT_TRUE(points_of(results, true, "results.h5", kNoRecords).group.empty());
}

TEST(ResultPoints, LeavesOutRunsThatEndInASpikeOrTheirWarmup) {
  record::Results results;
  results.rows = {row("good", "fit", "finished"), row("spiked", "fit", "finished"),
                  row("warming", "fit", "finished"), row("recovered", "fit", "finished")};
  const FindRecord find = [](const std::string& run) {
    record::RunData data = run_of(run == "warming" ? 8 : 400);
    if (run == "spiked")
      for (std::size_t i = 370; i < 400; ++i) data.train[i].loss *= 1.3;
    if (run == "recovered")
      for (std::size_t i = 170; i < 200; ++i) data.train[i].loss *= 3;
    return std::optional(data);
  };
  const laws::Points points =
      points_of(results, laws::counts_embeddings("chinchilla"), "results.h5", find);
  EXPECT_EQ(points.name, (std::vector<std::string>{"good", "recovered"}));
  ASSERT_EQ(points.left_out.size(), 2u);
  EXPECT_EQ(points.left_out[0].name, "spiked");
  EXPECT_NE(points.left_out[0].reason.find("29% above its lowest: a loss spike"), std::string::npos)
      << points.left_out[0].reason;
  EXPECT_EQ(points.left_out[1].reason, "its warmup of 8 steps is as long as its run");
}

TEST(ResultPoints, AConstantLearningRateIsAStageOfItsOwn) {
  record::Results results;
  for (const char* name : {"decayed", "constant", "half way"})
    results.rows.push_back(row(name, "fit", "finished"));
  const FindRecord find = [](const std::string& run) {
    record::RunData data = run_of(400);
    for (std::size_t i = 9; i < 400 && run != "decayed"; ++i)  // behind the warmup
      data.train[i].lr = run == "constant" || i < 300 ? 1 : 0.5;
    return std::optional(data);
  };
  const laws::Points points = points_of(results, true, "results.h5", find);
  EXPECT_EQ(points.stage, (std::vector<std::string>{"final", "constant-lr", "final"}));
  EXPECT_EQ(points_of(results, true, "results.h5", kNoRecords).stage[1], "final");
}

TEST(ResultPoints, CurvesAreMeansAfterTheWarmup) {
  record::Results results;
  results.rows = {row("one", "fit", "finished"), row("gone", "fit", "finished")};
  const FindRecord find = [](const std::string& run) {
    return run == "one" ? std::optional(run_of(5000)) : std::nullopt;
  };
  const laws::Points points =
      curves_of(results, laws::counts_embeddings("chinchilla"), "results.h5", find);
  EXPECT_GT(points.size(), 100u);
  EXPECT_LE(points.size(), 200u);
  EXPECT_NEAR(points.tokens.front(), 10000, 1e-6);
  for (std::size_t i = 0; i < points.size(); ++i) {
    EXPECT_EQ(points.group[i], "one");
    EXPECT_NEAR(points.loss[i] / std::pow(points.tokens[i], -0.1), 1, 1e-4);
    EXPECT_GT(points.tokens[i], i > 0 ? points.tokens[i - 1] : 0);
  }
  ASSERT_EQ(points.left_out.size(), 1u);
  EXPECT_EQ(points.left_out[0].reason, "its record has no training loss");
}

TEST(ResultPoints, SchedulesAreEveryStepOfEveryRun) {
  record::Results results;
  results.rows = {row("one", "fit", "finished"), row("two", "fit", "finished"),
                  row("gone", "fit", "finished")};
  const FindRecord find = [](const std::string& run) {
    return run == "gone" ? std::nullopt : std::optional(run_of(400));
  };
  const laws::Points points = schedules_of(results, "results.h5", find);
  ASSERT_EQ(points.size(), 800u);
  EXPECT_EQ(points.steps[399], 400);
  EXPECT_EQ(points.learning_rate[399], 1.0 / 400);
  EXPECT_EQ(points.group[399], "one");
  EXPECT_EQ(points.group[400], "two");
  EXPECT_EQ(points.left_out.back().reason, "its record has no training loss");
}

}  // namespace
}  // namespace isoflop::experiment
