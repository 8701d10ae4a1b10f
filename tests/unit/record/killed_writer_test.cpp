// kill -9 of the writer at random moments: what was flushed is there, the file can be read and goes
// on.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "core/error.hpp"
#include "hdf5/file.hpp"
#include "record/run_reader.hpp"
#include "record/run_record.hpp"
#include "record/run_writer.hpp"
#include "sample_run.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::record {
namespace {

using isoflop::test::ScratchDirectory;
using namespace std::chrono_literals;

/// Trains for ever after `step`; tells through `pipe` what it has flushed.
[[noreturn]] void write_for_ever(const std::filesystem::path& path, std::int64_t step, int pipe) {
  RunRecord record = step == 0 ? RunRecord::create(path, test::sample_facts())
                               : RunRecord::resume(path, test::sample_facts(), step);
  for (;;) {
    record.train(test::train_row(++step));
    if (step % 5 == 0) record.evaluation("validation", test::eval_row(step));
    if (step % 7 != 0) continue;
    record.flush();
    if (::write(pipe, &step, sizeof step) != sizeof step) _exit(1);
  }
}

/// Starts the writer, kills it `delay` after its first flush; returns the last step it flushed.
std::int64_t train_and_kill(const std::filesystem::path& path, std::int64_t step,
                            std::chrono::microseconds delay) {
  int pipe[2];
  if (::pipe(pipe) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child == 0) write_for_ever(path, step, pipe[1]);
  ::close(pipe[1]);
  std::int64_t flushed = -1, next = 0;
  if (::read(pipe[0], &flushed, sizeof flushed) != sizeof flushed) return -1;
  const auto end = std::chrono::steady_clock::now() + delay;
  while (std::chrono::steady_clock::now() < end && ::read(pipe[0], &next, sizeof next) > 0)
    flushed = next;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  while (::read(pipe[0], &next, sizeof next) > 0) flushed = next;
  ::close(pipe[0]);
  return flushed;
}

void expect_consistent(const RunData& data, std::int64_t flushed) {
  ASSERT_GE(data.train.size(), static_cast<std::size_t>(flushed));
  for (std::size_t row = 0; row < data.train.size(); ++row)
    ASSERT_TRUE(test::same(data.train[row], test::train_row(static_cast<std::int64_t>(row) + 1)))
        << row;
  const auto& validation = data.eval.at("validation");
  ASSERT_GE(validation.size(), static_cast<std::size_t>(flushed / 5));
  for (std::size_t row = 0; row < validation.size(); ++row)
    ASSERT_EQ(validation[row].loss, test::eval_row(5 * (static_cast<std::int64_t>(row) + 1)).loss);
}

TEST(KilledWriter, FlushedRowsSurviveAndTheRunGoesOn) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  std::minstd_rand random(7);
  std::int64_t step = 0;
  for (int kills = 1; kills <= 20; ++kills) {
    const std::int64_t flushed =
        train_and_kill(path, step, std::chrono::microseconds(random() % 40'000));
    ASSERT_GT(flushed, step);
    const RunData data = read_run(path);
    expect_consistent(data, flushed);
    ASSERT_EQ(data.events.size(), static_cast<std::size_t>(kills - 1));
    if (kills % 2 == 0) {  // after mending, readers need not know that it was written with SWMR
      mend_run(path);
      hdf5::File::open(path, hdf5::Access::read).close();
      ASSERT_EQ(read_run(path).train.size(), data.train.size());
    }
    step = flushed - flushed % 2;
  }
}

TEST(KilledWriter, PlainReadersNeedAMendedFile) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  const std::int64_t flushed = train_and_kill(path, 0, 5ms);
  EXPECT_THROW(hdf5::File::open(path, hdf5::Access::read), Error);
  mend_run(path);
  hdf5::File::open(path, hdf5::Access::read).close();
  expect_consistent(read_run(path), flushed);
}

TEST(KilledWriter, ReadingGoesOnWhileItWrites) {
  const ScratchDirectory scratch;
  const auto path = scratch.path() / "run.h5";
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) write_for_ever(path, 0, pipe[1]);
  ::close(pipe[1]);
  std::atomic<std::int64_t> flushed =
      0;  // a look in the middle of a flush may see more of some rows
  std::thread drain([&] {
    std::int64_t step = 0;
    while (::read(pipe[0], &step, sizeof step) > 0) flushed = step;
  });
  while (!std::filesystem::exists(path)) std::this_thread::sleep_for(1ms);
  std::size_t rows = 0;
  for (int looks = 0; looks < 100; ++looks) {
    const std::int64_t before = flushed;
    const RunData data = read_run(path);
    expect_consistent(data, before);
    rows = data.train.size();
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  drain.join();
  ::close(pipe[0]);
  EXPECT_GT(rows, 0u);
}

}  // namespace
}  // namespace isoflop::record
