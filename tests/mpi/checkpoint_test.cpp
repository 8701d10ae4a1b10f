// Any number of ranks saves, any other loads: the same bits.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <thread>

#include "checkpoint/directory.hpp"
#include "checkpoint/load.hpp"
#include "checkpoint/save.hpp"
#include "comm/mpi/mpi.hpp"
#include "core/error.hpp"
#include "tests/harness/sample_state.hpp"
#include "tests/harness/shared_scratch.hpp"
#include "tests/harness/small_disk.hpp"

namespace {

std::atomic<std::size_t> unsynced = 0, most_unsynced = 0;           // bytes of values
std::atomic<std::chrono::milliseconds> write_takes{};               // none: as long as it does
const std::thread::id caller_of_save = std::this_thread::get_id();  // writes what is no value

}  // namespace

// These stand in for the C library's, for the whole program.
extern "C" ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  if (std::this_thread::get_id() != caller_of_save) {
    most_unsynced = std::max(most_unsynced.load(), unsynced += size);
    std::this_thread::sleep_for(write_takes.load());
  }
  return static_cast<ssize_t>(syscall(SYS_pwrite64, file, data, size, offset));
}

extern "C" int fsync(int file) {
  if (std::this_thread::get_id() != caller_of_save) unsynced = 0;
  return static_cast<int>(syscall(SYS_fsync, file));
}

namespace isoflop::checkpoint {
namespace {

using test::kSampleBuffer;
using test::SampleShare;

class MpiCheckpoint : public ::testing::Test {
 protected:
  std::size_t rank() const { return static_cast<std::size_t>(world_.rank()); }
  std::size_t ranks() const { return static_cast<std::size_t>(world_.size()); }

  comm::Communicator world_{comm::make_mpi_transport()};
  test::SharedScratch scratch_{world_};
  std::filesystem::path run_ = scratch_.path();
};

TEST_F(MpiCheckpoint, LoadsInAnyOtherShares) {
  const auto directory = step_directory(run_, 5);
  for (std::size_t saving = 1; saving <= ranks(); ++saving) {
    SampleShare saved(rank(), saving, true);
    save(directory, world_, saved.state(), {{"step", std::int64_t{5}}, {"seconds", 0.1}});
    ASSERT_EQ(complete_steps(run_), std::vector<std::int64_t>{5});
    for (const std::size_t loading : {1u, 2u, 3u, 7u}) {
      SampleShare loaded(rank(), loading, false);
      const hdf5::Attributes scalars = load(directory, world_, loaded.state());
      EXPECT_EQ(loaded.wrong_elements(), 0u) << "saved by " << saving << ", loaded by " << loading;
      EXPECT_EQ(scalars, (hdf5::Attributes{{"seconds", 0.1}, {"step", std::int64_t{5}}}));
    }
    world_.barrier();
  }
}

TEST_F(MpiCheckpoint, ReplicasAreSavedOnce) {
  SampleShare everything(0, 1, true);
  save(step_directory(run_, 1), world_, everything.state(), {});
  SampleShare loaded(rank(), ranks(), false);
  load(step_directory(run_, 1), world_, loaded.state());
  EXPECT_EQ(loaded.wrong_elements(), 0u);
}

// One machine's sync may wait for what all its ranks have written.
TEST_F(MpiCheckpoint, RanksTogetherLeaveNoMoreUnsyncedThanAsked) {
  constexpr std::size_t kBytesOfSync = std::size_t{1} << 21, kBlock = std::size_t{1} << 20;
  SampleShare share(rank(), ranks(), true);
  most_unsynced = 0;
  Saving(step_directory(run_, 1), world_, share.state(), {}, kBytesOfSync).publish();
  EXPECT_GT(most_unsynced.load(), 0u);
  EXPECT_LT(most_unsynced.load(), kBytesOfSync / ranks() + kBlock);
  EXPECT_EQ(unsynced.load(), 0u);
}

// The ranks that have nothing to write wait longer than a deadline for the one that writes it all.
TEST_F(MpiCheckpoint, ASlowWriterIsWaitedForByAll) {
  if (ranks() == 1) GTEST_SKIP() << "needs ranks that wait";
  constexpr std::chrono::milliseconds kWrite(160), kDeadline(3000);
  setenv("ISOFLOP_DEADLINE", "3", 1);
  comm::Communicator impatient(comm::make_mpi_transport(comm::Options::from_environment()));
  SampleShare everything(0, 1, true);
  write_takes = kWrite;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_NO_THROW(save(step_directory(run_, 1), impatient, everything.state(), {}));
  const auto waited = std::chrono::steady_clock::now() - begin;
  write_takes = std::chrono::milliseconds(0);
  unsetenv("ISOFLOP_DEADLINE");
  EXPECT_GT(waited, kDeadline) << "too few writes to show anything";
  SampleShare loaded(rank(), ranks(), false);
  load(step_directory(run_, 1), world_, loaded.state());
  EXPECT_EQ(loaded.wrong_elements(), 0u);
}

TEST_F(MpiCheckpoint, TheLowestOfSeveralHoldersWrites) {
  if (ranks() == 1) GTEST_SKIP() << "needs a second holder";
  constexpr std::size_t kBegin = 1000, kEnd = kSampleBuffer - 150;  // of the root's slices
  SampleShare share(0, 1, true);
  State held = share.state();
  if (world_.is_root())
    for (Slice& slice : held.slices) slice = {slice.kind, kBegin, kEnd, slice.data + kBegin};
  std::size_t of_root = 0;
  for (const Block& block : make_plan(world_, held).blocks) {
    const std::size_t first = held.tensors[static_cast<std::size_t>(block.tensor)].offset +
                              static_cast<std::size_t>(block.begin);
    const std::size_t last = first + static_cast<std::size_t>(block.count);
    EXPECT_EQ(block.rank, kBegin <= first && last <= kEnd ? 0 : 1) << first << " to " << last;
    if (block.rank == 0) of_root += last - first;
  }
  EXPECT_GT(of_root, 3 * 690'000u);
  save(step_directory(run_, 1), world_, held, {});
  SampleShare loaded(rank(), ranks(), false);
  load(step_directory(run_, 1), world_, loaded.state());
  EXPECT_EQ(loaded.wrong_elements(), 0u);
}

TEST_F(MpiCheckpoint, FailureOfOneRankIsTheSameErrorOnAll) {
  const auto first = step_directory(run_, 1), second = step_directory(run_, 2);
  SampleShare share(rank(), ranks(), true);
  save(first, world_, share.state(), {});
  {
    std::optional<test::SmallDisk> disk;  // of the last rank only
    if (world_.rank() == world_.size() - 1) disk.emplace(1'000'000);
    try {
      save(second, world_, share.state(), {});
      ADD_FAILURE() << "8 MB fitted into 1 MB";
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find("state.h5"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("File too large"), std::string::npos)
          << error.what();
    }
  }
  world_.barrier();
  EXPECT_EQ(complete_steps(run_), std::vector<std::int64_t>{1});
  EXPECT_FALSE(std::filesystem::exists(second));
  SampleShare loaded(rank(), ranks(), false);
  load(first, world_, loaded.state());
  EXPECT_EQ(loaded.wrong_elements(), 0u);
  EXPECT_THROW(load(second, world_, loaded.state()), InputError);
}

TEST_F(MpiCheckpoint, AGapIsAnErrorOnAll) {
  SampleShare share(rank(), ranks(), true);
  if (world_.rank() == world_.size() - 1) share.state().slices.back().end -= 200;
  EXPECT_THROW(save(step_directory(run_, 1), world_, share.state(), {}), Error);
  EXPECT_TRUE(complete_steps(run_).empty());
}

}  // namespace
}  // namespace isoflop::checkpoint
