#include "record/run_record.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "core/error.hpp"
#include "hdf5/attributes.hpp"
#include "hdf5/file.hpp"
#include "record/run_reader.hpp"
#include "sample_run.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/harness/small_disk.hpp"

namespace isoflop::record {
namespace {

using isoflop::test::ScratchDirectory;
using isoflop::test::SmallDisk;
using test::eval_row;
using test::same;
using test::sample_facts;
using test::train_row;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no InputError";
  return "";
}

TEST(RunRecord, EverythingComesBack) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  RunRecord record = RunRecord::create(path, sample_facts(), {"validation", "code"});
  constexpr std::int64_t kSteps = 1300;  // more than two chunks of a column
  for (std::int64_t step = 1; step <= kSteps; ++step) record.train(train_row(step));
  record.evaluation("validation", eval_row(1300));
  record.evaluation("code", eval_row(7));
  record.event({1300, 13.5, "checkpoint", "step-1300"});
  RunOutcome outcome;
  outcome.status = "finished";
  outcome.final_loss = 3.25;
  outcome.peak_memory_bytes = 123;
  outcome.wall_seconds = 14;
  record.finish(outcome, {{"matmul", 7.5, 10, 1e12}});

  const RunData data = read_run(path);
  EXPECT_EQ(data.facts.config, sample_facts().config);
  EXPECT_EQ(data.facts.label, sample_facts().label);
  EXPECT_EQ(data.facts.seed, -1);
  EXPECT_EQ(data.facts.epochs, 0.25);
  EXPECT_EQ(data.facts.isoflop_commit, commit());
  EXPECT_EQ(data.outcome.status, "finished");
  EXPECT_EQ(data.outcome.final_loss, 3.25);
  EXPECT_TRUE(std::isnan(data.outcome.final_bits_per_byte));
  EXPECT_EQ(data.outcome.peak_memory_bytes, 123);
  ASSERT_EQ(data.train.size(), static_cast<std::size_t>(kSteps));
  for (std::int64_t step = 1; step <= kSteps; ++step)
    ASSERT_TRUE(same(data.train[static_cast<std::size_t>(step - 1)], train_row(step))) << step;
  const std::vector<TrainRow> last = read_last_steps(path, 50);
  ASSERT_EQ(last.size(), 50u);
  EXPECT_TRUE(same(last.front(), train_row(kSteps - 49)));
  EXPECT_TRUE(same(last.back(), train_row(kSteps)));
  EXPECT_EQ(read_last_steps(path, 5000).size(), static_cast<std::size_t>(kSteps));
  ASSERT_EQ(data.eval.at("validation").size(), 1u);
  EXPECT_EQ(data.eval.at("code").front().loss, eval_row(7).loss);
  ASSERT_EQ(data.events.size(), 1u);
  EXPECT_EQ(data.events.front().text, "step-1300");
  ASSERT_EQ(data.profile.size(), 1u);
  EXPECT_EQ(data.profile.front().region, "matmul");
  hdf5::File::open(path, hdf5::Access::read).close();  // closed: anybody may open it
}

TEST(RunRecord, RowsAreVisibleOnceFlushed) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  RunRecord record = RunRecord::create(path, sample_facts());
  EXPECT_TRUE(read_run(path).train.empty());
  for (std::int64_t step = 1; step <= 100; ++step) {
    record.train(train_row(step));
    if (step % 20 == 0) {
      record.flush();
      const RunData data = read_run(path);
      ASSERT_EQ(data.train.size(), static_cast<std::size_t>(step));
      EXPECT_TRUE(same(data.train.back(), train_row(step)));
      EXPECT_EQ(data.outcome.status, "running");
    }
  }
}

// With the rows of so many steps, and evaluations after some of them.
RunRecord begun(const std::filesystem::path& path, std::int64_t steps,
                std::initializer_list<std::int64_t> evaluated) {
  RunRecord record = RunRecord::create(path, sample_facts());
  for (std::int64_t step = 1; step <= steps; ++step) record.train(train_row(step));
  for (const std::int64_t step : evaluated) record.evaluation("validation", eval_row(step));
  return record;
}

TEST(RunRecord, ResumeDropsLaterStepsAndKeepsTime) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  begun(path, 50, {20, 40});
  for (const std::int64_t restart : {1, 2}) {
    RunRecord record = RunRecord::resume(path, sample_facts(), 30);
    EXPECT_EQ(record.restarts(), restart);
    EXPECT_DOUBLE_EQ(record.previous_seconds(), train_row(50).seconds);
    record.train(train_row(31));
    RunOutcome outcome;
    outcome.status = "stopped";
    record.finish(outcome);
    const RunData data = read_run(path);
    EXPECT_EQ(data.outcome.restarts, restart);
    EXPECT_EQ(data.outcome.status, "stopped");
    ASSERT_EQ(data.train.size(), 31u);
    EXPECT_TRUE(same(data.train.back(), train_row(31)));
    EXPECT_EQ(data.eval.at("validation").size(), 1u);
    EXPECT_EQ(data.events.back().kind, "resumed");
    EXPECT_EQ(data.events.back().step, 30);
  }
}

TEST(RunRecord, GoingBackDropsLaterRowsAndKeepsEvents) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  {
    RunRecord record = begun(path, 20, {8, 16});
    record.event({20, 1, "spike rolled back", "back to step 10"});
    record.go_back(10);
    ASSERT_TRUE(record.last_evaluation("validation").has_value());
    EXPECT_EQ(record.last_evaluation("validation")->step, 8);
    record.train(train_row(11));
    record.flush();
  }
  const RunData data = read_run(path);
  ASSERT_EQ(data.train.size(), 11u);
  EXPECT_TRUE(same(data.train.back(), train_row(11)));
  EXPECT_EQ(data.eval.at("validation").size(), 1u);
  ASSERT_EQ(data.events.size(), 1u);
  EXPECT_EQ(data.events.front().step, 20);
  EXPECT_EQ(data.outcome.restarts, 0);
}

TEST(RunRecord, AnotherRunIsRefused) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  RunRecord::create(path, sample_facts());
  RunFacts other = sample_facts();
  other.run = "ffffffffffffffff";
  const std::string message = message_of([&] { RunRecord::resume(path, other, 0); });
  EXPECT_NE(message.find("ffffffffffffffff"), std::string::npos) << message;
}

TEST(RunRecord, UnusableRecordMayBeMovedAway) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  const auto refused = [&] {
    return message_of([&] { RunRecord::resume(path, sample_facts(), 3); });
  };
  std::ofstream(path) << "no record";
  EXPECT_NE(refused().find("away: the same command then goes on after step 3"), std::string::npos);
  hdf5::File file = hdf5::File::create(path);
  hdf5::write_attributes(file, "/", {{"schema", std::int64_t{2}}});
  file.close();
  EXPECT_NE(refused().find("away: the same command then goes on after step 3"), std::string::npos);
}

TEST(RunRecord, RecordThatCannotBeOpenedNowIsNotToBeMovedAway) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  RunRecord::create(path, sample_facts());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::string message = message_of([&] { RunRecord::resume(path, sample_facts(), 3); });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_NE(message.find("ulimit -n"), std::string::npos) << message;
  EXPECT_EQ(message.find("away"), std::string::npos) << message;
  EXPECT_EQ(RunRecord::resume(path, sample_facts(), 3).restarts(), 1);
}

TEST(RunRecord, BadRowsAreRefused) {
  const ScratchDirectory scratch;
  RunRecord record = RunRecord::create(scratch.path() / "run.h5", sample_facts());
  EXPECT_THROW(record.evaluation("test", eval_row(1)), InputError);
  EXPECT_THROW(record.event({99, 9, std::string(33, 'k'), ""}), InputError);
  record.event({7, 1, "cut", std::string(255, 'x') + "é"});  // the é would be halved
  record.flush();
  const RunData data = read_run(scratch.path() / "run.h5");
  ASSERT_EQ(data.events.size(), 1u);
  EXPECT_EQ(data.events.front().step, 7);  // nothing is left of the refused one
  EXPECT_EQ(data.events.front().text, std::string(255, 'x'));
}

TEST(RunRecord, FullDiskIsOneClearErrorAndKeepsWhatWasFlushed) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  std::size_t kept = 0;
  {
    RunRecord record = RunRecord::create(path, sample_facts());
    const SmallDisk disk(std::filesystem::file_size(path) + 600'000);
    const std::string message = message_of([&] {
      for (std::int64_t step = 1; step <= 100'000; ++step) {
        record.train(train_row(step));
        if (step % 100 == 0) {
          record.flush();
          kept = static_cast<std::size_t>(step);
        }
      }
    });
    EXPECT_NE(message.find("run.h5"), std::string::npos) << message;
    EXPECT_NE(message.find("File too large"), std::string::npos) << message;
    EXPECT_THROW(record.flush(), Error);  // and nothing more can be lost
  }
  const RunData data = read_run(path);
  EXPECT_GT(kept, 0u);
  EXPECT_GE(data.train.size(), kept);
  for (std::size_t row = 0; row < kept; ++row)
    ASSERT_TRUE(same(data.train[row], train_row(static_cast<std::int64_t>(row) + 1))) << row;
  RunRecord record = RunRecord::resume(path, sample_facts(), static_cast<std::int64_t>(kept));
  record.train(train_row(static_cast<std::int64_t>(kept) + 1));
  record.finish({});
  EXPECT_EQ(read_run(path).train.size(), kept + 1);
}

/// What became of a run on a disk of this size; an exit that crashes gives a signal.
int exit_of_run(const std::filesystem::path& path, std::size_t disk_bytes) {
  const pid_t child = ::fork();
  if (child != 0) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
  }
  int code = 0;
  try {
    const SmallDisk disk(disk_bytes);
    RunRecord record = RunRecord::create(path, sample_facts());
    for (std::int64_t step = 1; step <= 3000; ++step) {
      record.train(train_row(step));
      if (step % 10 == 0) record.evaluation("validation", eval_row(step));
    }
    record.finish({});
  } catch (const InputError&) {
    code = 2;
  }
  std::exit(
      code);  // runs HDF5's own clean-up, which must not stumble over what could not be written
}

TEST(RunRecord, FullDiskAnywhereNeitherCrashesNorSpoilsTheFile) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  int full = 0;
  for (std::size_t disk = 0; disk < 1'500'000; disk += 29'989) {
    const int status = exit_of_run(path, disk);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status) << " with " << disk << " bytes";
    full += WEXITSTATUS(status) == 2 ? 1 : 0;
    if (!std::filesystem::exists(path)) continue;  // not even the start fitted
    const RunData data = read_run(path);
    for (std::size_t row = 0; row < data.train.size(); ++row)
      ASSERT_TRUE(same(data.train[row], train_row(static_cast<std::int64_t>(row) + 1))) << row;
    std::filesystem::remove(path);
    ASSERT_TRUE(std::filesystem::is_empty(scratch.path())) << "something was left beside";
  }
  EXPECT_GT(full, 10);
  EXPECT_LT(full, 40);
}

TEST(ReadRun, OtherFilesAreRefused) {
  const ScratchDirectory scratch;
  EXPECT_THROW(read_run(scratch.path() / "none.h5"), Error);
  const auto path = scratch.path() / "other.h5";
  hdf5::File file = hdf5::File::create(path);
  hdf5::write_attributes(file, "/", {{"schema", std::int64_t{2}}});
  file.close();
  EXPECT_NE(message_of([&] { read_run(path); }).find("schema 1 is needed"), std::string::npos);
}

}  // namespace
}  // namespace isoflop::record
