#include "train/memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/atomic_file.hpp"
#include "tests/harness/run_from.hpp"
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

config::RunConfig run(const std::vector<std::string>& sets) {
  config::RunConfig config = test::run_from(
      "[model]\nlayers = 3\nwidth = 32\nheads = 2\ncontext = 16\n[data]\nkind = \"markov\"\n"
      "[train]\ntokens = 1024\nglobal_batch = 16\nmicro_batch = 2\nprecision = \"fp32\"\n",
      sets);
  config::resolve(config, 16, "00ff");
  return config;
}

TEST(Memory, TheRankThatNeedsMostIsAmongThoseLookedAt) {
  for (const std::size_t ranks : {1u, 2u, 3u, 5u, 6u, 8u}) {
    for (const char* zero : {"0", "1", "2", "3"}) {
      for (const char* pipeline : {"1", "2"}) {
        if (*pipeline == '2' && ranks % 2 == 1) continue;
        const config::RunConfig config = run(
            {std::string("parallel.zero=") + zero, std::string("parallel.pipeline=") + pipeline});
        std::size_t most = 0;
        for (std::size_t rank = 0; rank < ranks; ++rank)
          most = std::max(most, process_bytes(config, ranks, rank));
        EXPECT_EQ(most_process_bytes(config, ranks), most) << ranks << " ranks, ZeRO " << zero;
      }
    }
  }
}

TEST(Memory, SomeOfTheMachineIsLeftAndSomeIsTheProgram) {
  EXPECT_GT(available_bytes(), std::size_t{1} << 20);
  const config::RunConfig config = run({});
  const auto program = [&](std::size_t rank) {
    return process_bytes(config, 2, rank) - plan_memory(config, 2, rank).total();
  };
  EXPECT_GT(program(1), std::size_t{1} << 20);
  EXPECT_GT(program(0), program(1));  // which keeps the record
}

}  // namespace
}  // namespace isoflop::train
