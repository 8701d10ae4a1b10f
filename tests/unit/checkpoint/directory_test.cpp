#include "checkpoint/directory.hpp"

#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::checkpoint {
namespace {

void make(const std::filesystem::path& directory, bool complete) {
  std::filesystem::create_directories(directory);
  write_file_atomically(state_file(directory), "x");
  if (complete) write_file_atomically(complete_mark(directory), "complete\n");
}

TEST(CheckpointDirectory, OnlyCompleteCheckpointsAreThere) {
  const test::ScratchDirectory run;
  EXPECT_TRUE(complete_steps(run.path()).empty());
  make(step_directory(run.path(), 9), true);
  make(step_directory(run.path(), 10), true);
  make(step_directory(run.path(), 11), false);
  make(run.path() / "checkpoint" / "step-12.partial", true);
  for (const char* other : {"step-x", "step--13", "step-013"})
    make(run.path() / "checkpoint" / other, true);
  EXPECT_EQ(complete_steps(run.path()), (std::vector<std::int64_t>{9, 10}));
}

TEST(CheckpointDirectory, AFolderThatCannotBeListedIsNotAnEmptyOne) {
  const test::ScratchDirectory run;
  write_file_atomically(run.path() / "checkpoint", "no folder");
  const auto never = [](std::int64_t) { return false; };
  EXPECT_THROW(complete_steps(run.path()), Error);
  EXPECT_THROW(prune(run.path(), 1, never), Error);
}

TEST(CheckpointDirectory, PruneKeepsTheNewestAndTheProtected) {
  const test::ScratchDirectory run;
  for (const std::int64_t step : {100, 200, 300, 400, 500})
    make(step_directory(run.path(), step), true);
  make(step_directory(run.path(), 450), false);
  make(run.path() / "checkpoint" / "step-600.partial", false);
  prune(run.path(), 2, [](std::int64_t step) { return step == 100 || step == 500; });
  EXPECT_EQ(complete_steps(run.path()), (std::vector<std::int64_t>{100, 300, 400, 500}));
  EXPECT_FALSE(std::filesystem::exists(step_directory(run.path(), 450)));
  EXPECT_FALSE(std::filesystem::exists(run.path() / "checkpoint" / "step-600.partial"));
  prune(run.path(), 9, [](std::int64_t) { return false; });
  EXPECT_EQ(complete_steps(run.path()).size(), 4u);
}

TEST(CheckpointDirectory, PruneLeavesWhatAPersonPutThere) {
  const test::ScratchDirectory run;
  make(step_directory(run.path(), 7), true);
  const auto copy = run.path() / "checkpoint" / "step-7-good", folder = copy.parent_path();
  std::filesystem::copy(step_directory(run.path(), 7), copy);
  make(folder / "step-6.old.host.12.partial", true);  // of an exchange by renames
  prune(run.path(), 1, [](std::int64_t) { return false; });
  EXPECT_TRUE(std::filesystem::exists(complete_mark(copy)));
  EXPECT_FALSE(std::filesystem::exists(folder / "step-6.old.host.12.partial"));
}

}  // namespace
}  // namespace isoflop::checkpoint
