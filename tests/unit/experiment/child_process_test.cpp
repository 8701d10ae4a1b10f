#include "experiment/local/child_process.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

#include "core/atomic_file.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::experiment {
namespace {

// Under `srun -n 1` or `mpirun -n 1` every child would start MPI as rank 0 of the same job.
TEST(ChildProcess, KnowsNothingOfTheLauncherOfItsParent) {
  const isoflop::test::ScratchDirectory scratch;
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"})
    setenv(name, "2", 1);
  setenv("ISOFLOP_TEST_KEPT", "kept", 1);
  const auto child =
      ChildProcess::start({"/usr/bin/env"}, {{"OMP_NUM_THREADS", "3"}}, scratch.path() / "log");
  std::optional<ProcessEnd> end;
  while (!(end = child.ended())) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(end->code, 0);
  const std::string said = read_file(scratch.path() / "log");
  EXPECT_NE(said.find("ISOFLOP_TEST_KEPT=kept\n"), std::string::npos) << said;
  EXPECT_NE(said.find("OMP_NUM_THREADS=3\n"), std::string::npos) << said;
  for (const char* name : {"OMPI_", "PMIX_", "PMI_", "SLURM_STEP_NUM_TASKS"})
    EXPECT_EQ(said.find(name), std::string::npos) << name;
}

TEST(ChildProcess, AProgramThatCannotBeRunIsSaidInTheLog) {
  const isoflop::test::ScratchDirectory scratch;
  const auto log = scratch.path() / "log";
  write_file_atomically(log, "what another process said before\n");
  const auto child = ChildProcess::start({(scratch.path() / "no program").string()}, {}, log);
  std::optional<ProcessEnd> end;
  while (!(end = child.ended())) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(end->code, 127);
  EXPECT_NE(last_line(log).find("the program cannot be run"), std::string::npos) << last_line(log);
}

}  // namespace
}  // namespace isoflop::experiment
