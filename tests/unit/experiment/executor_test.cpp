#include "experiment/local/executor.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "core/atomic_file.hpp"
#include "core/file_lock.hpp"
#include "experiment/costs.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/unit/experiment/studies.hpp"

namespace isoflop::experiment {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

const std::string kBranches = "[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\nbranch = true\n";

class Executor : public testing::Test {
 protected:
  Executor() : directory_(scratch_.path() / "sweep") {
    fs::create_directories(directory_.path());
    for (const char* name : {"FAKE_STEP_MS", "FAKE_FAIL", "FAKE_CRASH"}) unsetenv(name);
  }

  Plan plan(const std::string& grids) {
    Plan plan = plan_of(kBase + grids);
    Rates rates(directory_.calibration());
    predict_seconds(plan, rates, [](const config::RunConfig&) { return std::optional(1e6); });
    return plan;
  }

  SweepEnd run(const Plan& plan, bool retry_failed = false) {
    return run_sweep(plan, directory_, options(retry_failed));
  }

  static ExecutorOptions options(bool retry_failed = false) {
    return {.program = FAKE_TRAINER, .jobs = 2, .retry_failed = retry_failed, .terminal = false};
  }

  // Steps at which the run's processes began.
  std::vector<std::int64_t> starts(const PlannedRun& run) const {
    std::vector<std::int64_t> steps;
    std::ifstream file(directory_.run(run.id) / "starts");
    for (std::int64_t step = 0, threads = 0; file >> step >> threads;) {
      EXPECT_EQ(threads, 1);
      steps.push_back(step);
    }
    return steps;
  }

  // A manager in a process of its own, as `isoflop sweep run` is.
  pid_t fork_manager(const Plan& plan) {
    const pid_t pid = fork();
    if (pid != 0) return pid;
    const SweepEnd end = run(plan);
    _exit(end.interrupted ? 1 : end.failed.empty() ? 0 : 3);
  }

  bool wait_until(const std::function<bool()>& condition) {
    for (int i = 0; i < 1000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  test::ScratchDirectory scratch_;
  SweepDirectory directory_;
};

TEST_F(Executor, TrainsAllAndNothingTwice) {
  const Plan sweep = plan("[[grid]]\ntokens = [10_000, 20_000]\n");
  for (int attempt = 0; attempt < 2; ++attempt) {
    const SweepEnd end = run(sweep);
    EXPECT_TRUE(end.complete());
    EXPECT_EQ(end.total, 4u);
    for (const PlannedRun& run : sweep.runs)
      EXPECT_EQ(starts(run), (std::vector<std::int64_t>{0})) << run.label;
  }
}

TEST_F(Executor, BranchesStartFromTheTrunksCheckpoints) {
  const Plan sweep = plan(kBranches);
  EXPECT_TRUE(run(sweep).complete());
  EXPECT_EQ(starts(sweep.runs[0]), (std::vector<std::int64_t>{16}));
  EXPECT_EQ(starts(sweep.runs[1]), (std::vector<std::int64_t>{40}));
  EXPECT_EQ(starts(sweep.runs[2]), (std::vector<std::int64_t>{0}));
}

// A branch does not wait for the trunk's end.
TEST_F(Executor, ABranchFinishesWhileItsTrunkGoesOn) {
  setenv("FAKE_STEP_MS", "10", 1);
  const Plan sweep = plan(kBranches);
  EXPECT_TRUE(run(sweep).complete());
  EXPECT_LT(fs::last_write_time(directory_.run(sweep.runs[0].id) / "finished"),
            fs::last_write_time(directory_.run(sweep.runs[2].id) / "finished"));
}

TEST_F(Executor, APointAddedLaterUsesAnEarlierCheckpoint) {
  const Plan first = plan(kBranches);
  EXPECT_TRUE(run(first).complete());
  fs::remove_all(directory_.run(first.runs[1].id));
  fs::remove_all(directory_.run(first.runs[2].id) / "checkpoint" / "step-40");
  const SweepEnd end = run(first);
  EXPECT_TRUE(end.complete());
  EXPECT_EQ(starts(first.runs[1]), (std::vector<std::int64_t>{16}));
  EXPECT_EQ(starts(first.runs[2]), (std::vector<std::int64_t>{0}));  // not again
}

TEST_F(Executor, ATrunkWhoseBranchesAreFinishedIsNotTrained) {
  const Plan branches = plan(kBranches);
  EXPECT_TRUE(run(plan("[[grid]]\nsizes = ['a']\ntokens = [20_480, 51_200]\n")).complete());
  const SweepEnd end = run(branches);
  EXPECT_TRUE(end.complete());
  EXPECT_EQ(end.total, 2u);
  EXPECT_TRUE(starts(branches.runs[2]).empty());
}

TEST_F(Executor, AFailedRunIsIsolatedAndTrainedAgainOnlyWhenAsked) {
  const Plan sweep = plan("[[grid]]\ntokens = [10_000]\n");
  setenv("FAKE_FAIL", sweep.runs[0].label.c_str(), 1);
  SweepEnd end = run(sweep);
  EXPECT_EQ(end.finished, 1u);
  ASSERT_EQ(end.failed.size(), 1u);
  EXPECT_EQ(end.failed[0].label, sweep.runs[0].label);
  EXPECT_EQ(end.failed[0].reason, "loss is nan");
  EXPECT_EQ(read_file(end.failed[0].log), "isoflop: loss is nan\n");

  unsetenv("FAKE_FAIL");
  end = run(sweep);
  EXPECT_EQ(end.failed.size(), 1u);
  EXPECT_EQ(starts(sweep.runs[0]).size(), 1u);
  EXPECT_TRUE(run(sweep, true).complete());
  EXPECT_EQ(starts(sweep.runs[0]).size(), 2u);
}

TEST_F(Executor, ATrainerThatDiesIsAFailureThatIsRemembered) {
  const Plan sweep = plan("[[grid]]\ntokens = [10_000]\n");
  setenv("FAKE_CRASH", sweep.runs[1].label.c_str(), 1);
  for (int attempt = 0; attempt < 2; ++attempt) {
    const SweepEnd end = run(sweep);
    ASSERT_EQ(end.failed.size(), 1u);
    EXPECT_NE(end.failed[0].reason.find("killed by signal 9"), std::string::npos);
    EXPECT_EQ(starts(sweep.runs[1]).size(), 1u);
  }
}

TEST_F(Executor, BranchesOfAFailedTrunkAreReported) {
  const Plan sweep = plan(kBranches);
  setenv("FAKE_FAIL", sweep.runs[2].label.c_str(), 1);
  const SweepEnd end = run(sweep);
  ASSERT_EQ(end.failed.size(), 3u);
  EXPECT_EQ(end.failed[0].reason, "its trunk a-trunk-s1 failed");
  EXPECT_TRUE(starts(sweep.runs[0]).empty());
}

TEST_F(Executor, AProgramThatCannotRunIsAFailureNotAHang) {
  const Plan sweep = plan("[[grid]]\nsizes = ['a']\ntokens = [10_000]\n");
  ExecutorOptions broken = options();
  broken.program = scratch_.path() / "nothing";
  const SweepEnd end = run_sweep(sweep, directory_, broken);
  ASSERT_EQ(end.failed.size(), 1u);
  EXPECT_NE(end.failed[0].reason.find("code 127"), std::string::npos);
}

TEST_F(Executor, ASecondManagerIsRefused) {
  const Plan sweep = plan("[[grid]]\ntokens = [10_000]\n");
  const FileLock other(directory_.lock());
  EXPECT_THROW(run(sweep), InputError);
}

TEST_F(Executor, ARunThatAnotherProcessTrainsIsLeftToIt) {
  const Plan sweep = plan("[[grid]]\nsizes = ['a']\ntokens = [10_000]\n");
  fs::create_directories(directory_.run(sweep.runs[0].id));
  auto other = std::make_unique<FileLock>(directory_.run(sweep.runs[0].id) / "lock");
  const auto begin = std::chrono::steady_clock::now();
  std::thread release([&] {
    std::this_thread::sleep_for(300ms);
    other.reset();
  });
  EXPECT_TRUE(run(sweep).complete());
  release.join();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 300ms);
}

// The children of a killed manager save and stop; the next manager goes on with them.
TEST_F(Executor, AKilledManagerIsContinued) {
  setenv("FAKE_STEP_MS", "20", 1);
  const Plan sweep = plan("[[grid]]\ntokens = [51_200]\n");
  const pid_t manager = fork_manager(sweep);
  ASSERT_TRUE(wait_until([&] { return !starts(sweep.runs[0]).empty(); }));
  std::this_thread::sleep_for(100ms);
  kill(manager, SIGKILL);
  waitpid(manager, nullptr, 0);

  setenv("FAKE_STEP_MS", "0", 1);
  EXPECT_TRUE(run(sweep).complete());
  for (const PlannedRun& run : sweep.runs) {
    const std::vector<std::int64_t> begun = starts(run);
    ASSERT_EQ(begun.size(), 2u) << run.label;
    EXPECT_GT(begun[1], 0) << run.label;
  }
}

TEST_F(Executor, ASignalStopsTheChildrenAndTheManagerSaysSo) {
  setenv("FAKE_STEP_MS", "20", 1);
  const Plan sweep = plan("[[grid]]\ntokens = [51_200]\n");
  const pid_t manager = fork_manager(sweep);
  ASSERT_TRUE(wait_until([&] { return !starts(sweep.runs[1]).empty(); }));
  kill(manager, SIGINT);
  int status = 0;
  waitpid(manager, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  for (const PlannedRun& run : sweep.runs) {
    EXPECT_FALSE(is_locked(directory_.run(run.id))) << run.label;
    EXPECT_EQ(state_of(directory_.run(run.id)).state, State::waiting) << run.label;
    EXPECT_GT(latest_checkpoint(directory_.run(run.id), 1000).steps, 0) << run.label;
  }
}

}  // namespace
}  // namespace isoflop::experiment
