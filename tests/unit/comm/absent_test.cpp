// A build without MPI: one rank alone works, a launcher's ranks are refused with what to do.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "comm/mpi/mpi.hpp"
#include "comm/world.hpp"
#include "core/error.hpp"

namespace isoflop::comm {
namespace {

class WithoutMpi : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* variable :
         {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"})
      unsetenv(variable);
  }
  void TearDown() override { unsetenv("PMI_SIZE"); }

  static void expect_refusal(const std::function<void()>& action) {
    try {
      action();
      FAIL() << "accepted";
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("has no MPI"), std::string::npos) << text;
      EXPECT_NE(text.find("configure again"), std::string::npos) << text;
    }
  }
};

TEST_F(WithoutMpi, OneRankAloneWorks) {
  World world;
  Communicator alone = world.communicator();
  EXPECT_EQ(alone.size(), 1);
  std::vector<float> values = {3.0f, 4.0f};
  alone.all_reduce<float>(values, Combine::sum);
  EXPECT_EQ(values, (std::vector<float>{3.0f, 4.0f}));
}

TEST_F(WithoutMpi, RanksOfALauncherAreRefused) {
  setenv("PMI_SIZE", "2", 1);
  expect_refusal([] { World(); });
  expect_refusal([] { start_mpi(); });
  expect_refusal([] { make_mpi_transport({}); });
}

}  // namespace
}  // namespace isoflop::comm
