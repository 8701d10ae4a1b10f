#include "train/memory.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "core/atomic_file.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::train {
namespace {

void limit(const std::filesystem::path& group, const char* most, const char* used,
           const char* statistics) {
  std::filesystem::create_directories(group);
  write_file_atomically(group / "memory.max", most);
  write_file_atomically(group / "memory.current", used);
  write_file_atomically(group / "memory.stat", statistics);
}

TEST(ControlGroup, TheTightestLimitOnTheWayUpCounts) {
  const test::ScratchDirectory scratch;
  const auto root = scratch.path() / "root", job = root / "job", step = job / "step";
  std::filesystem::create_directories(step);
  EXPECT_EQ(control_group_room(step, root), std::numeric_limits<std::size_t>::max());
  limit(job, "1000\n", "700\n", "anon 500\ninactive_file 150\nactive_file 50\n");
  EXPECT_EQ(control_group_room(step, root), 450u);  // files give 150 back
  limit(step, "max\n", "600\n", "anon 600\n");
  EXPECT_EQ(control_group_room(step, root), 450u);
  limit(step, "650\n", "600\n", "anon 600\n");
  EXPECT_EQ(control_group_room(step, root), 50u);
  limit(step, "500\n", "600\n", "anon 600\n");
  EXPECT_EQ(control_group_room(step, root), 0u);
}

TEST(Memory, SomeOfTheMachineIsLeftAndSomeIsTheProgram) {
  EXPECT_GT(available_bytes(), std::size_t{1} << 20);
  EXPECT_GT(program_bytes(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace isoflop::train
