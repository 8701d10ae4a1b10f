#include "core/file_lock.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

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
  EXPECT_THROW(FileLock(scratch.path() / "lock"), InputError);
  lock.reset();
  EXPECT_NO_THROW(FileLock(scratch.path() / "lock"));
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
  EXPECT_THROW(FileLock{path}, InputError);
  lock.reset();
  EXPECT_NO_THROW(FileLock{path});
}

}  // namespace
}  // namespace isoflop
