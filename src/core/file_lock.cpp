#include "core/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop {
namespace {

// Far longer than anybody looks.
constexpr int kTries = 20;
constexpr std::chrono::milliseconds kBetweenTries{10};

// 0, or the system's error.
int lock(int descriptor, int how) {
  for (int tried = 1;; ++tried) {
    if (flock(descriptor, how | LOCK_NB) == 0) return 0;
    if (errno != EWOULDBLOCK || tried == kTries) return errno;
    std::this_thread::sleep_for(kBetweenTries);
  }
}

// Where the system does not say what is there, nothing has changed.
bool is_at(const std::filesystem::path& path, int descriptor) {
  struct stat open{}, named{};
  if (stat(path.c_str(), &named) != 0) return errno != ENOENT && errno != ENOTDIR;
  return fstat(descriptor, &open) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& path)
    : path_(path), descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0 && (errno == EACCES || errno == EPERM || errno == EROFS))
    descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) throw_system_error(path, "open", errno);
  int error = lock(descriptor_, LOCK_EX);
  if (error == EBADF) error = lock(descriptor_, LOCK_SH);  // NFS, of a file open for reading alone
  if (error == 0 && is_at(path, descriptor_)) return;
  if (error == 0) error = EWOULDBLOCK;  // who held it has moved or removed the file meanwhile
  close(descriptor_);
  if (error == EWOULDBLOCK) {
    throw Locked(path.string() +
                 ": is locked by another process; wait for it or choose another directory");
  }
  require(error != ENOLCK && error != ENOSYS && error != EOPNOTSUPP,
          "{}: flock: {}: this file system keeps no locks as it is mounted (Lustre: option flock; "
          "NFS: a running lock service); choose a directory on another",
          path.string(), std::strerror(error));
  throw_system_error(path, "flock", error);
}

FileLock::~FileLock() { close(descriptor_); }

bool FileLock::is_in_place() const { return is_at(path_, descriptor_); }

bool FileLock::is_held(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return false;
  if (descriptor < 0) throw_system_error(path, "open", errno);
  const bool held = flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(descriptor);
  return held;
}

}  // namespace isoflop
