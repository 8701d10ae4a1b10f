// Whole runs of this process where something fails on the way.
#include "train/run.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "comm/self/self.hpp"
#include "core/atomic_file.hpp"
#include "core/config_document.hpp"
#include "core/error.hpp"
#include "record/run_reader.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace {

std::atomic<bool> disk_is_full = false;
std::atomic<int> writes_refused = 0;
const std::thread::id training = std::this_thread::get_id();

}  // namespace

// Stands in for the C library's, for the whole program: a full disk is full for every thread but
// that of the training, so for checkpoints.
extern "C" ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  if (disk_is_full && std::this_thread::get_id() != training) {
    ++writes_refused;
    errno = ENOSPC;
    return -1;
  }
  return static_cast<ssize_t>(syscall(SYS_pwrite64, file, data, size, offset));
}

namespace isoflop::train {
namespace {

// Step 1 blows the weights up, so that step 2 is no number; between the two a checkpoint begins.
constexpr const char* kDiverges =
    "[model]\nlayers = 1\nwidth = 32\ncontext = 16\n"
    "[data]\nkind = \"markov\"\nsymbols = 16\n"
    "[train]\ntokens = 4096\nglobal_batch = 4\nprecision = \"fp32\"\n"
    "[optimizer]\nlearning_rate = 1e3\nweight_decay = 1e3\nclip_norm = 0.0\n"
    "[checkpoint]\nevery_tokens = 64\n";

TEST(Run, ASaveThatFailsDoesNotHideWhyTheRunFailed) {
  const test::ScratchDirectory scratch;
  const auto out = scratch.path() / "out";
  comm::Communicator communicator{comm::make_self_transport()};
  RunOptions options;
  options.config = config::read_run_config(ConfigDocument::from_text(kDiverges, "run.toml").root());
  options.out = out;
  disk_is_full = true;
  EXPECT_THROW(run(options, communicator), CheckFailed);
  disk_is_full = false;
  EXPECT_GE(writes_refused, 1) << "no save met the full disk: the test shows nothing";
  EXPECT_NE(read_file(out / "failed").find("step 2"), std::string::npos);
  const record::RunData data = record::read_run(out / "run.h5");
  EXPECT_EQ(data.outcome.status, "failed");
  ASSERT_FALSE(data.events.empty());
  EXPECT_EQ(data.events.back().kind, "failed");
}

TEST(Run, EvaluatesOnceSoManyTokensAreSeen) {
  const test::ScratchDirectory scratch;
  comm::Communicator communicator{comm::make_self_transport()};
  RunOptions options;
  options.config = config::read_run_config(
      ConfigDocument::from_text(
          "[model]\nlayers = 1\nwidth = 16\ncontext = 16\n"
          "[data]\nkind = \"markov\"\nsymbols = 16\n"
          "[train]\ntokens = 640\nglobal_batch = 4\nprecision = \"fp32\"\n"  // steps of 64
          "[evaluate]\nevery_tokens = 256\nat_tokens = [1, 130, 256, 640, 9999]\n",
          "run.toml")
          .root());
  options.out = scratch.path() / "out";
  EXPECT_EQ(run(options, communicator), RunEnd::finished);
  const record::RunData data = record::read_run(options.out / "run.h5");
  std::vector<std::int64_t> steps;
  for (const record::EvalRow& row : data.eval.at("validation")) steps.push_back(row.step);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 3, 4, 8, 10}));
}

}  // namespace
}  // namespace isoflop::train
