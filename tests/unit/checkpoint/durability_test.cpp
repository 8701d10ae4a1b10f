// In which order a checkpoint comes to the disk, so that a loss of power leaves the one before or
// all of it: what the system is asked to sync and to rename, by calls that stand before those of
// the C library.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <mutex>
#include <regex>
#include <string>
#include <vector>

#include "checkpoint/directory.hpp"
#include "checkpoint/save.hpp"
#include "comm/self/self.hpp"
#include "core/atomic_file.hpp"
#include "tests/harness/sample_state.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace {

std::mutex calls_mutex;
std::vector<std::string> calls;  // in order

void note(const std::string& call) {
  const std::scoped_lock lock(calls_mutex);
  calls.push_back(call);
}

}  // namespace

extern "C" int fsync(int descriptor) {
  std::array<char, 4096> name{};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  if (readlink(link.c_str(), name.data(), name.size() - 1) > 0)
    note(std::string("sync ") + name.data());
  return 0;
}

extern "C" int rename(const char* from, const char* to) noexcept {
  note(std::string("rename ") + from + " to " + to);
  return static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

namespace isoflop::checkpoint {
namespace {

class Durability : public ::testing::Test {
 protected:
  void save_step(std::int64_t step) {
    comm::Communicator self(comm::make_self_transport());
    test::SampleShare share(0, 1, true);
    calls.clear();
    save(step_directory(run_, step), self, share.state(), {});
  }

  /// Since the last save, with names as seen from the run's folder and without the writer's.
  std::vector<std::string> order() const {
    static const std::regex kWriter("complete\\.[^ ]*\\.partial");
    std::vector<std::string> all;
    for (std::string call : calls) {
      for (std::size_t at; (at = call.find(run_.string())) != std::string::npos;)
        call.replace(at, run_.string().size(), "RUN");
      all.push_back(std::regex_replace(call, kWriter, "complete.partial"));
    }
    return all;
  }

  test::ScratchDirectory scratch_;
  std::filesystem::path run_ = std::filesystem::canonical(scratch_.path());
};

// Bytes, names, the place, and the mark last; each on the disk before the next.
std::vector<std::string> order_of_save() {
  const std::string folder = "RUN/checkpoint", step = folder + "/step-1",
                    partial = step + ".partial", mark = step + "/complete";
  return {"sync " + partial + "/state.h5",  // as every rank does
          "sync " + partial + "/state.h5",  // the root, with what is not values
          "sync RUN",                       // which got the folder
          "sync " + partial,
          "rename " + partial + " to " + step,
          "sync " + folder,
          "sync " + mark + ".partial",
          "rename " + mark + ".partial to " + mark,
          "sync " + step};
}

TEST_F(Durability, TheMarkIsLast) {
  save_step(1);
  EXPECT_EQ(order(), order_of_save());
}

TEST_F(Durability, TheFolderOfCheckpointsMayBeALink) {
  std::filesystem::create_directories(run_ / "other/checkpoints");
  std::filesystem::create_directory_symlink("other/checkpoints", run_ / "checkpoint");
  save_step(1);
  EXPECT_EQ(order()[2], "sync RUN");
  EXPECT_TRUE(std::filesystem::exists(run_ / "other/checkpoints/step-1/complete"));
}

TEST_F(Durability, FoldersAreOnTheDiskWithAllAboveThem) {
  std::error_code error;
  calls.clear();
  make_folders_durably(run_ / "a/b/", error);
  EXPECT_FALSE(error);
  EXPECT_TRUE(std::filesystem::is_directory(run_ / "a/b"));
  EXPECT_EQ(order(), (std::vector<std::string>{"sync RUN", "sync RUN/a"}));
  calls.clear();
  make_folders_durably(run_ / "a/b", error);
  EXPECT_FALSE(error);
  EXPECT_TRUE(calls.empty());
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(run_);
  make_folders_durably("c", error);
  std::filesystem::current_path(before);
  EXPECT_FALSE(error);
  EXPECT_EQ(order(), std::vector<std::string>{"sync RUN"});
  write_file_atomically(run_ / "file", "");
  make_folders_durably(run_ / "file/below", error);
  EXPECT_TRUE(error);
}

}  // namespace
}  // namespace isoflop::checkpoint
