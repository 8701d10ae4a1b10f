#include "train/ranks.hpp"

#include <gtest/gtest.h>

#include <regex>

#include "core/error.hpp"
#include "tests/harness/run_from.hpp"

namespace isoflop::train {
namespace {

config::RunConfig run(const std::vector<std::string>& sets) {
  config::RunConfig config = test::run_from(
      "[model]\nlayers = 6\nwidth = 64\n[data]\nkind = \"markov\"\n"
      "[train]\ntokens = 100_000\nglobal_batch = 16\nmicro_batch = 2\n",
      sets);
  config::resolve(config, 64, "00ff");
  config.places.clear();  // keys alone: the same whether they stand in the text or in `sets`
  return config;
}

// Empty when `ranks` may train the run.
std::string message(std::int64_t ranks, const std::vector<std::string>& sets) {
  try {
    check_ranks(run(sets), ranks);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

bool is_refused_by_itself(const std::vector<std::string>& sets) {
  try {
    run(sets);
  } catch (const InputError&) {
    return true;
  }
  return false;
}

TEST(Ranks, WhatWorksIsAccepted) {
  EXPECT_EQ(message(8, {"parallel.zero=3", "parallel.pipeline=2"}), "");
  EXPECT_EQ(message(6, {"parallel.pipeline=2"}), "");
  EXPECT_EQ(message(3, {"parallel.zero=3"}), "");
}

TEST(Ranks, ARefusalNamesTheNearestLayouts) {
  EXPECT_EQ(message(8, {"parallel.pipeline=3"}),
            "parallel.pipeline: seen 3, which does not divide 8 ranks; use parallel.pipeline = 2 "
            "or 4, or start mpirun -n 6 or 9");
  EXPECT_EQ(message(6, {"parallel.pipeline=2", "parallel.zero=2"}),
            "parallel.zero: seen 2 with 3 replicas of a pipeline, which do not divide 8 virtual "
            "ranks; use parallel.pipeline = 1 or 3, or use parallel.zero = 1, or start mpirun -n 4 "
            "or 8");
  EXPECT_EQ(message(8, {"parallel.data=2"}),
            "parallel.data: seen 2, but 8 ranks were started, which makes 8; use parallel.pipeline "
            "= 4, or use parallel.data = 8, or start mpirun -n 2");
  EXPECT_EQ(
      message(12, {}),
      "parallel.virtual_ranks: 12 ranks were started, which makes 12 replicas, but the global "
      "batch has 8 virtual ranks; use parallel.pipeline = 2, or use train.micro_batch = 1 with "
      "parallel.virtual_ranks = 16 (another run), or start mpirun -n 8");
}

TEST(Ranks, TensorParallelRanksCount) {
  EXPECT_EQ(message(4, {"model.heads=2", "parallel.tensor=2"}), "");
  EXPECT_EQ(message(3, {"model.heads=2", "parallel.tensor=2"}),
            "parallel.tensor: seen 2, which does not divide 3 ranks; use parallel.tensor = 1, or "
            "start mpirun -n 2 or 4");
}

TEST(Ranks, TensorParallelRanksAreRefusedWithALayoutOfThoseThatWereStarted) {
  EXPECT_EQ(message(3, {"model.heads=4", "parallel.tensor=3"}),
            "parallel.tensor: seen 3, which does not divide model.heads 4; use parallel.tensor = "
            "1");
  EXPECT_EQ(message(6, {"model.heads=4", "parallel.tensor=6"}),
            "parallel.tensor: seen 6, which does not divide model.heads 4; use parallel.tensor = "
            "2");
  EXPECT_EQ(message(4, {"model.heads=4", "parallel.tensor=2", "parallel.zero=3"}),
            "parallel.zero: seen 3 with parallel.tensor = 2, which do not combine: ranks would "
            "wait for shards and for tensor-parallel ranks in one pass, perhaps in a ring; use "
            "parallel.zero = 1, or use parallel.tensor = 1");
}

TEST(Ranks, StagesAreRefusedWithALayoutOfThoseThatWereStarted) {
  EXPECT_EQ(message(4, {"model.layers=4", "parallel.schedule=interleaved", "parallel.pipeline=4"}),
            "parallel.pipeline: seen 4 ranks of 2 stage(s), but the model has 4 blocks, an "
            "embedding and a head to deal to them; use parallel.pipeline = 2, or use "
            "parallel.chunks = 1");
}

// One layer makes three stages, not four.
TEST(Ranks, ADepthIsSuggestedWithTheStagesThatItWouldHave) {
  EXPECT_EQ(message(16, {"model.layers=1", "parallel.schedule=interleaved"}).find("pipeline"),
            std::string::npos);
  EXPECT_NE(message(16, {"model.layers=2", "parallel.schedule=interleaved"})
                .find("use parallel.pipeline = 2"),
            std::string::npos);
}

TEST(Ranks, MoreVirtualRanksAreAWayOut) {
  EXPECT_EQ(message(13, {"train.micro_batch=1"}),
            "parallel.virtual_ranks: 13 ranks were started, which makes 13 replicas, but the "
            "global batch has 8 virtual ranks; use parallel.virtual_ranks = 16 (another run), or "
            "start mpirun -n 8");
}

// Where no single change is enough, several are named, fewer ranks with them where nothing else
// fits.
TEST(Ranks, SeveralChangesAreNamedWhereOneIsNotEnough) {
  EXPECT_EQ(message(6, {"model.heads=4", "parallel.tensor=4", "parallel.pipeline=4"}),
            "parallel.tensor: seen 4 with pipelines of 4 ranks, which together do not divide 6 "
            "ranks; use parallel.pipeline = 3 with parallel.tensor = 2");
  EXPECT_EQ(message(31, {"model.heads=4", "parallel.tensor=3"}),
            "parallel.tensor: seen 3, which does not divide model.heads 4; start mpirun -n 30 and "
            "use parallel.pipeline = 3 with parallel.tensor = 2");
}

// 100,000 ranks would take minutes if the layouts of all were tried.
TEST(Ranks, FarTooManyRanksAreToldHowManyDo) {
  EXPECT_EQ(message(100'000, {"model.heads=4", "parallel.tensor=3"}),
            "parallel.tensor: seen 3, which does not divide model.heads 4; start mpirun -n 256 and "
            "use parallel.pipeline = 8 with parallel.tensor = 4");
}

struct Asked {
  std::int64_t ranks;
  std::vector<std::string> sets;
};

// The layouts that a refusal suggests: of a way with several values, each.
std::vector<Asked> suggestions(const Asked& asked, const std::string& refused) {
  static const std::regex kWays("(; |, or )(use|start) (.*?)(?=, or (use|start) |$)");
  static const std::regex kSetting("((?:parallel|train)\\.\\w+ =|mpirun -n) (\\d+)(?: or (\\d+))?");
  std::vector<Asked> all;
  for (std::sregex_iterator way(refused.begin(), refused.end(), kWays), end; way != end; ++way) {
    const std::string text = (*way)[3];
    Asked first = asked, second = asked;
    bool has_second = false;
    for (std::sregex_iterator part(text.begin(), text.end(), kSetting); part != end; ++part) {
      const std::string name = (*part)[1];
      const auto set = [&](Asked& to, const std::string& value) {
        if (name.starts_with("mpirun"))
          to.ranks = std::stoll(value);
        else
          to.sets.push_back(name.substr(0, name.find(' ')) + "=" + value);
      };
      set(first, (*part)[2]);
      has_second = (*part)[3].matched;
      set(second, has_second ? (*part)[3] : (*part)[2]);
    }
    all.push_back(first);
    if (has_second) all.push_back(second);
  }
  return all;
}

// Every refusal suggests something, and what it suggests is accepted, from reading on.
TEST(Ranks, SuggestionsWork) {
  const std::vector<std::vector<std::string>> kinds = {
      {},
      {"parallel.zero=3"},
      {"parallel.schedule=interleaved", "parallel.chunks=3", "parallel.zero=2"},
      {"parallel.schedule=interleaved"},
      {"parallel.schedule=interleaved", "model.layers=2", "train.micro_batch=1"},
      {"parallel.schedule=zero-bubble", "parallel.recompute=full"},
      {"train.reproducible=false", "train.micro_batch=1"},
      {"parallel.data=3", "parallel.zero=1"}};
  int refusals = 0, combined = 0;
  for (const auto& kind : kinds) {
    for (const std::int64_t ranks : {1, 2, 3, 4, 5, 6, 8, 12, 31}) {
      for (const int depth : {1, 2, 3, 4, 6, 9}) {
        for (const int tensor : {1, 2, 3, 4}) {
          Asked asked{ranks, kind};
          asked.sets.insert(asked.sets.end(),
                            {"model.heads=4", "parallel.pipeline=" + std::to_string(depth),
                             "parallel.tensor=" + std::to_string(tensor)});
          if (is_refused_by_itself(asked.sets)) continue;
          const std::string refused = message(asked.ranks, asked.sets);
          if (refused.empty()) continue;
          ++refusals;
          const std::vector<Asked> ways = suggestions(asked, refused);
          EXPECT_FALSE(ways.empty()) << refused;
          combined += refused.find(" with parallel.") != std::string::npos ? 1 : 0;
          for (const Asked& way : ways)
            EXPECT_EQ(message(way.ranks, way.sets), "") << "suggested by: " << refused;
        }
      }
    }
  }
  EXPECT_GT(refusals, 500);
  EXPECT_GT(combined, 0);
}

}  // namespace
}  // namespace isoflop::train
