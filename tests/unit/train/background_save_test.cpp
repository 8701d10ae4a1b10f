// What a checkpoint that is written beside the training costs the step loop, counted in what it
// waits for: the disk of this program can be held up at will.
#include "train/background_save.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "checkpoint/directory.hpp"
#include "comm/self/self.hpp"
#include "core/config_document.hpp"
#include "data/synthetic.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "train/checkpointing.hpp"
#include "train/progress.hpp"
#include "train/snapshot.hpp"

namespace {

std::atomic<bool> disk_is_held_up = false;
std::atomic<int> writes_held_up = 0;
std::atomic<int> writes_slowed = 0;
std::atomic<std::chrono::milliseconds> write_takes{};  // none: as long as it does
const std::thread::id training = std::this_thread::get_id();

}  // namespace

// These stand in for the C library's, for the whole program. Writes of other threads than that of
// the training are held up: what that one writes itself would show as a test that never ends.
extern "C" ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  if (std::this_thread::get_id() != training && disk_is_held_up) {
    ++writes_held_up;
    writes_held_up.notify_all();
    disk_is_held_up.wait(true);
  }
  if (std::this_thread::get_id() != training && write_takes.load().count() > 0) {
    ++writes_slowed;
    std::this_thread::sleep_for(write_takes.load());
  }
  return static_cast<ssize_t>(syscall(SYS_pwrite64, file, data, size, offset));
}

extern "C" int fsync(int file) {
  disk_is_held_up.wait(true);
  if (write_takes.load().count() > 0) return 0;
  return static_cast<int>(syscall(SYS_fsync, file));
}

namespace isoflop::train {
namespace {

void hold_up_the_disk(bool held_up) {
  disk_is_held_up = held_up;
  disk_is_held_up.notify_all();
}

class BackgroundSaving : public ::testing::Test {
 protected:
  BackgroundSaving() {
    config::resolve(config_, 16, source_.fingerprint());
    trainer_ = make_trainer(config_, source_, communicator_);
    saving_ = std::make_unique<BackgroundSave>(scratch_.path(), config_, *trainer_, communicator_);
  }
  ~BackgroundSaving() override { hold_up_the_disk(false); }

  static config::RunConfig small_run() {
    return config::read_run_config(
        ConfigDocument::from_text("[model]\nlayers = 1\nwidth = 32\ncontext = 16\n"
                                  "[data]\nkind = \"markov\"\nsymbols = 16\n"
                                  "[train]\ntokens = 4096\nglobal_batch = 4\n",
                                  "run.toml")
            .root());
  }

  double loss_of_next_step(Trainer& trainer) { return trainer.step().loss; }

  const test::ScratchDirectory scratch_;
  config::RunConfig config_ = small_run();
  data::Synthetic source_{{"markov", 1, 16, 1}, 16, 1, 16 * 4};
  comm::Communicator communicator_{comm::make_self_transport()};
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<BackgroundSave> saving_;
};

// The loop may copy the state; it does not wait for one write of it, however long that takes.
TEST_F(BackgroundSaving, TheStepLoopWaitsForNoWrite) {
  trainer_->step();
  hold_up_the_disk(true);
  saving_->start();
  for (int step = 0; step < 10; ++step) {
    trainer_->step();
    EXPECT_FALSE(saving_->poll()) << "nothing has been written yet";
  }
  EXPECT_EQ(trainer_->step_count(), 11);
  EXPECT_TRUE(checkpoint::complete_steps(scratch_.path()).empty());
  writes_held_up.wait(0);  // the writer meets the disk, however late it gets a processor
  hold_up_the_disk(false);
  EXPECT_TRUE(saving_->finish());
  EXPECT_EQ(checkpoint::complete_steps(scratch_.path()), std::vector<std::int64_t>{1});
}

// What is saved is the state at start(), not what the loop has made of it since.
TEST_F(BackgroundSaving, TheCheckpointIsThatOfItsStep) {
  trainer_->step();
  hold_up_the_disk(true);
  saving_->start();
  const double second = loss_of_next_step(*trainer_);
  for (int step = 0; step < 3; ++step) trainer_->step();
  hold_up_the_disk(false);
  saving_->finish();
  const auto other = make_trainer(config_, source_, communicator_);
  resume_snapshot(*latest_snapshot(scratch_.path(), communicator_), config_, *other, communicator_);
  EXPECT_EQ(other->step_count(), 1);
  EXPECT_EQ(loss_of_next_step(*other), second);
}

// One save at a time: the next one waits for this one, and that is the only wait. Where writing is
// always slower than the interval, that is what makes checkpoints of them, and prunes.
TEST_F(BackgroundSaving, TheNextSavePublishesTheOneBeforeAndPrunes) {
  config_.checkpoint.every_tokens = config_.tokens_per_step();
  Progress progress(scratch_.path() / "log", true);
  Checkpointing checkpointing(scratch_.path(), config_, *trainer_, progress, communicator_, false);
  for (std::int64_t step = 1; step <= 4; ++step) {
    trainer_->step();
    checkpointing.save_beside();
    const std::vector<std::int64_t> before =
        step == 1 ? std::vector<std::int64_t>{} : std::vector{step - 1};
    EXPECT_EQ(checkpoint::complete_steps(scratch_.path()), before);
  }
  checkpointing.finish();
  EXPECT_EQ(checkpoint::complete_steps(scratch_.path()), std::vector<std::int64_t>{4});
}

// The deadline is that of each write, not of all.
TEST_F(BackgroundSaving, ADiskThatIsSlowButGoesOnIsWaitedFor) {
  constexpr std::chrono::milliseconds kWrite(100), kDeadline(2000);
  setenv("ISOFLOP_DEADLINE", "2", 1);
  trainer_->step();
  write_takes = kWrite;
  saving_->start();
  EXPECT_TRUE(saving_->finish());
  write_takes = std::chrono::milliseconds(0);
  unsetenv("ISOFLOP_DEADLINE");
  EXPECT_GT(writes_slowed.load() * kWrite, kDeadline) << "too few writes to show anything";
}

// Death tests in which the child starts anew, with threads of its own.
class ADiskThatStalls : public BackgroundSaving {
 protected:
  ADiskThatStalls() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    setenv("ISOFLOP_DEADLINE", "0.1", 1);
    trainer_->step();
  }
  ~ADiskThatStalls() override { unsetenv("ISOFLOP_DEADLINE"); }
};

TEST_F(ADiskThatStalls, EndsTheJobAtTheDeadline) {
  EXPECT_EXIT(
      {
        hold_up_the_disk(true);
        saving_->start();
        saving_->finish();
      },
      ::testing::ExitedWithCode(1),
      "rank 0: .*/checkpoint/step-1.partial/state.h5: the disk has not moved.*0.1 s");
}

TEST_F(ADiskThatStalls, EndsTheJobThatWaitsForEveryCheckpointToo) {
  EXPECT_EXIT(
      {
        hold_up_the_disk(true);
        save_snapshot(scratch_.path(), config_, *trainer_, communicator_);
      },
      ::testing::ExitedWithCode(1),
      "rank 0: .*/checkpoint/step-1.partial/state.h5: the disk has not moved.*0.1 s");
}

}  // namespace
}  // namespace isoflop::train
