#include "train/ranks.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/harness/run_from.hpp"

namespace isoflop::train {
namespace {

// Empty when `ranks` may train the run.
std::string message(std::int64_t ranks, const std::vector<std::string>& sets) {
  config::RunConfig config = test::run_from(
      "[model]\nlayers = 6\nwidth = 64\n[data]\nkind = \"markov\"\n"
      "[train]\ntokens = 100_000\nglobal_batch = 16\nmicro_batch = 2\n",
      sets);
  config::resolve(config, 64, "00ff");
  config.places.clear();  // keys alone: the same whether they stand in the text or in `sets`
  try {
    check_ranks(config, ranks);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
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
            "= 4, or start mpirun -n 2");
  EXPECT_EQ(
      message(12, {}),
      "parallel.virtual_ranks: 12 ranks were started, which makes 12 replicas, but the global "
      "batch has 8 virtual ranks; use parallel.pipeline = 2, or start mpirun -n 8");
}

TEST(Ranks, TensorParallelRanksCount) {
  EXPECT_EQ(message(4, {"model.heads=2", "parallel.tensor=2"}), "");
  EXPECT_EQ(message(3, {"model.heads=2", "parallel.tensor=2"}),
            "parallel.tensor: seen 2, which does not divide 3 ranks; use parallel.tensor = 1, or "
            "start mpirun -n 2 or 4");
}

// What a refusal suggests is accepted.
TEST(Ranks, SuggestionsWork) {
  for (std::int64_t ranks = 1; ranks <= 32; ++ranks) {
    for (int depth = 1; depth <= 8; ++depth) {
      for (const char* zero : {"parallel.zero=0", "parallel.zero=3"}) {
        const std::string refused =
            message(ranks, {zero, "parallel.pipeline=" + std::to_string(depth)});
        const std::string key = "use parallel.pipeline = ";
        if (const auto at = refused.find(key); at != std::string::npos) {
          const std::string other = std::to_string(std::stoi(refused.substr(at + key.size())));
          EXPECT_EQ(message(ranks, {zero, "parallel.pipeline=" + other}), "") << refused;
        }
        const std::string start = "mpirun -n ";
        if (const auto at = refused.find(start); at != std::string::npos) {
          EXPECT_EQ(message(std::stoi(refused.substr(at + start.size())),
                            {zero, "parallel.pipeline=" + std::to_string(depth)}),
                    "")
              << refused;
        }
        EXPECT_TRUE(refused.empty() || refused.find("use ") != std::string::npos ||
                    refused.find(start) != std::string::npos)
            << ranks << " ranks, depth " << depth << ": " << refused;
      }
    }
  }
}

}  // namespace
}  // namespace isoflop::train
