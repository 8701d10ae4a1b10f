#include "core/file_lock.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <thread>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop {
namespace {

constexpr uid_t kNobody = 65534;

// To the superuser every file is writable: look as somebody else.
class AsAnotherUser {
 public:
  AsAnotherUser() : is_root_(geteuid() == 0) {
    if (is_root_ && seteuid(kNobody) != 0) throw Error("seteuid");
  }
  ~AsAnotherUser() {
    if (is_root_ && seteuid(0) != 0) std::abort();
  }
  AsAnotherUser(const AsAnotherUser&) = delete;
  AsAnotherUser& operator=(const AsAnotherUser&) = delete;

 private:
  bool is_root_;
};

TEST(FileLock, HoldsOneAtATime) {
  const test::ScratchDirectory scratch;
  std::optional<FileLock> lock(scratch.path() / "lock");
  EXPECT_THROW(FileLock(scratch.path() / "lock"), Locked);
  lock.reset();
  EXPECT_NO_THROW(FileLock(scratch.path() / "lock"));
}

// Else who waited would take the lock of a folder that has another name by now.
TEST(FileLock, AFileThatWasMovedAwayWhileHeldIsNoLock) {
  const test::ScratchDirectory scratch;
  const std::filesystem::path path = scratch.path() / "lock";
  std::optional<FileLock> held(path);
  std::thread mover([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::filesystem::rename(path, scratch.path() / "elsewhere");
    held.reset();
  });
  EXPECT_THROW(FileLock{path}, Locked);
  mover.join();
  const FileLock again(path);
}

TEST(FileLock, KnowsWhetherItsFileIsStillInPlace) {
  namespace fs = std::filesystem;
  const test::ScratchDirectory scratch;
  const fs::path folder = scratch.path() / "folder";
  fs::create_directory(folder);
  const FileLock lock(folder / "lock");
  EXPECT_TRUE(lock.is_in_place());
  fs::rename(folder, scratch.path() / "elsewhere");
  EXPECT_FALSE(lock.is_in_place());
  fs::create_directory(folder);
  write_file_atomically(folder / "lock", "");  // another one
  EXPECT_FALSE(lock.is_in_place());
  fs::remove_all(folder);
  fs::rename(scratch.path() / "elsewhere", folder);
  EXPECT_TRUE(lock.is_in_place());
}

TEST(FileLock, LookingTellsWhetherItIsHeld) {
  const test::ScratchDirectory scratch;
  const auto path = scratch.path() / "lock";
  EXPECT_FALSE(FileLock::is_held(path));
  EXPECT_FALSE(std::filesystem::exists(path));
  std::optional<FileLock> lock(path);
  EXPECT_TRUE(FileLock::is_held(path));
  lock.reset();
  EXPECT_FALSE(FileLock::is_held(path));
}

// Somebody looks for ever so short: who looks too and who locks do not mind.
TEST(FileLock, LookingKeepsNobodyOut) {
  const test::ScratchDirectory scratch;
  const auto path = scratch.path() / "lock";
  const int looking = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  ASSERT_EQ(flock(looking, LOCK_SH), 0);
  EXPECT_FALSE(FileLock::is_held(path));
  std::thread end([looking] {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    close(looking);
  });
  EXPECT_NO_THROW(FileLock{path});
  end.join();
}

TEST(FileLock, AFileThatMayOnlyBeReadIsLocked) {
  namespace fs = std::filesystem;
  const test::ScratchDirectory scratch;
  const fs::path path = scratch.path() / "lock";
  write_file_atomically(path, "");
  fs::permissions(scratch.path(), fs::perms(0755));
  fs::permissions(path, fs::perms(0444));
  const AsAnotherUser user;
  std::optional<FileLock> lock(path);
  EXPECT_THROW(FileLock{path}, Locked);
  lock.reset();
  EXPECT_NO_THROW(FileLock{path});
}

}  // namespace
}  // namespace isoflop
