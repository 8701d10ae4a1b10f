// Eight ranks, the least that have replicas of a pipeline in which every replica differs from every
// stage: a few layouts beside those that trainer_test.cpp tries on fewer ranks and
// tests/regression/layouts.py on as many.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/mpi/twins.hpp"

namespace isoflop::train {
namespace {

struct Wide {
  const char* name;
  std::vector<std::string> model;
  std::vector<std::string> layout;
};

class EightRanks : public ::testing::TestWithParam<Wide> {};

TEST_P(EightRanks, GiveTheBitsOfOneRank) {
  Twins twins(GetParam().model, GetParam().layout);
  twins.expect_same_steps(3);
  twins.expect_same_state();
}

INSTANTIATE_TEST_SUITE_P(
    All, EightRanks,
    ::testing::Values(
        Wide{"FourReplicasOfTwoStagesThatShareAll",
             {"train.precision=fp32"},
             {"parallel.zero=3", "parallel.pipeline=2"}},
        Wide{"TheSameInterleaved",
             {"train.precision=bf16", "train.micro_batch=2"},
             {"parallel.zero=3", "parallel.pipeline=2", "parallel.schedule=interleaved"}},
        Wide{"TwoReplicasOfFourStages",
             {"train.precision=bf16"},
             {"parallel.zero=1", "parallel.pipeline=4", "parallel.schedule=zero-bubble"}},
        Wide{"EightStages", {"train.precision=fp32"}, {"parallel.pipeline=8"}},
        Wide{"EightReplicas", {"train.precision=bf16"}, {"parallel.zero=3"}}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace isoflop::train
