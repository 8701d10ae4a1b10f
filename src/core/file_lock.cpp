#include "core/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop {

FileLock::FileLock(const std::filesystem::path& path)
    : descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0 && (errno == EACCES || errno == EPERM || errno == EROFS))
    descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) throw_system_error(path, "open", errno);
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  close(descriptor_);
  require(error != EWOULDBLOCK,
          "{}: is locked by another process; wait for it or choose another directory",
          path.string());
  throw_system_error(path, "flock", error);
}

FileLock::~FileLock() { close(descriptor_); }

}  // namespace isoflop
