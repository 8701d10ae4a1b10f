// Whatever happens to the bytes of a checkpoint: refused, or what was saved.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "checkpoint/damaged.hpp"
#include "checkpoint/directory.hpp"
#include "checkpoint/load.hpp"
#include "checkpoint/save.hpp"
#include "comm/self/self.hpp"
#include "core/error.hpp"
#include "core/file_descriptor.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::checkpoint {
namespace {

constexpr std::size_t kCount = 3 * 41;

std::vector<float> values() {
  std::vector<float> made(kCount);
  for (std::size_t i = 0; i < kCount; ++i) made[i] = 0.5f + static_cast<float>(i);
  return made;
}

class Damage : public ::testing::Test {
 protected:
  Damage() {
    std::vector<float> data = values();
    state_.slices = {{"parameters", 0, kCount, data.data()}};
    save(directory_, self_, state_, {{"step", std::int64_t{7}}, {"config", "[train]\n"}});
  }

  static void flip(const std::filesystem::path& path, std::size_t byte, std::byte bits) {
    FileDescriptor file(path, O_RDWR);
    std::byte value{};
    file.read(std::span(&value, 1), byte);
    value ^= bits;
    file.write(std::span(&value, 1), byte);
  }
  void flip(std::size_t byte) { flip(state_file(directory_), byte, std::byte{0x10}); }

  /// The message of the refusal; empty when what was saved came back.
  std::string refusal() {
    std::vector<float> data(kCount, 0.0f);
    state_.slices[0].data = data.data();
    try {
      const hdf5::Attributes scalars = load(directory_, self_, state_);
      EXPECT_EQ(data, values());
      EXPECT_EQ(scalars, (hdf5::Attributes{{"config", std::string("[train]\n")},
                                           {"step", std::int64_t{7}}}));
      return "";
    } catch (const InputError& error) {
      return error.what();
    }
  }

  test::ScratchDirectory run_;
  std::filesystem::path directory_ = step_directory(run_.path(), 7);
  comm::Communicator self_{comm::make_self_transport()};
  State state_{{{"a", {41}, 0}, {"blocks.0.b", {2, 41}, 41}}, {}};
};

TEST_F(Damage, ValuesAreNamed) {
  EXPECT_EQ(refusal(), "");
  const float searched = 0.5f + 60;  // element 19 of blocks.0.b
  const FileDescriptor file(state_file(directory_), O_RDONLY);
  std::vector<std::byte> bytes(file.size());
  file.read(bytes, 0);
  const auto pattern = std::as_bytes(std::span(&searched, 1));
  const auto at = std::search(bytes.begin(), bytes.end(), pattern.begin(), pattern.end());
  ASSERT_NE(at, bytes.end());
  flip(static_cast<std::size_t>(at - bytes.begin()));
  const std::string message = refusal();
  EXPECT_NE(message.find("state.h5:/parameters/blocks.0.b: elements 0 to 81"), std::string::npos)
      << message;
  EXPECT_THROW(verify(directory_), InputError);
}

TEST_F(Damage, AnyFlippedByteIsRefusedOrHarmless) {
  const std::size_t size = std::filesystem::file_size(state_file(directory_));
  std::size_t refused = 0;
  const pid_t child = ::fork();  // a crash must not take the test with it
  if (child == 0) {
    for (std::size_t byte = 0; byte < size; ++byte) {
      flip(byte);
      refused += refusal().empty() ? 0 : 1;
      flip(byte);
    }
    // All values, at least, and all of HDF5's own structures lie in there.
    ::_exit(HasFailure() || refused < 4 * kCount ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(Damage, VerifyFindsEveryFlippedBit) {
  const pid_t child = ::fork();  // a crash must not take the test with it
  if (child == 0) {
    std::mt19937_64 random(1);
    const std::size_t of_state = std::filesystem::file_size(state_file(directory_));
    const std::size_t bytes = of_state + std::filesystem::file_size(complete_mark(directory_));
    for (int trial = 0; trial < 1000; ++trial) {
      const std::size_t byte = random() % bytes;
      const auto bit = std::byte{1} << static_cast<int>(random() % 8);
      const auto path = byte < of_state ? state_file(directory_) : complete_mark(directory_);
      const std::size_t at = byte < of_state ? byte : byte - of_state;
      flip(path, at, bit);
      EXPECT_THROW(verify(directory_), InputError) << path << " byte " << at;
      flip(path, at, bit);
    }
    verify(directory_);
    ::_exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(Damage, TruncationIsRefused) {
  const std::size_t size = std::filesystem::file_size(state_file(directory_));
  for (std::size_t bytes = size; bytes > 0;) {
    bytes -= std::min<std::size_t>(bytes, 97);
    std::filesystem::resize_file(state_file(directory_), bytes);
    const std::string message = refusal();
    ASSERT_NE(message.find("state.h5"), std::string::npos) << message;
  }
  std::filesystem::remove(state_file(directory_));
  EXPECT_THROW(load(directory_, self_, state_), Damaged);
}

TEST_F(Damage, LoadingAndVerifyingJudgeTheMarkAlike) {
  std::filesystem::resize_file(complete_mark(directory_), 0);
  EXPECT_THROW(verify(directory_), Damaged);
  EXPECT_THROW(load(directory_, self_, state_), Damaged);
}

// A good checkpoint must not be set aside because the system is short of something.
TEST_F(Damage, WhatTheSystemRefusesIsNoDamage) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest = ::open("/dev/null", O_RDONLY);
  ::close(lowest);
  std::size_t refused = 0;
  for (rlim_t more = 0;; ++more) {
    const rlimit few{static_cast<rlim_t>(lowest) + more, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    std::string said;
    try {
      verify(directory_);
    } catch (const Damaged& error) {
      ADD_FAILURE() << "with " << more << " descriptors: " << error.what();
    } catch (const Error& error) {
      said = error.what();
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
    if (said.empty()) break;
    EXPECT_NE(said.find("Too many open files"), std::string::npos) << said;
    ++refused;
  }
  EXPECT_GE(refused, 2u);  // of its two descriptors
}

}  // namespace
}  // namespace isoflop::checkpoint
