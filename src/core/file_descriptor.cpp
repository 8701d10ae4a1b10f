#include "core/file_descriptor.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop {

FileDescriptor::FileDescriptor(std::filesystem::path path, int flags)
    : path_(std::move(path)), descriptor_(::open(path_.c_str(), flags | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) throw_system_error(path_, "open", errno);
}

FileDescriptor::~FileDescriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void FileDescriptor::write(std::span<const std::byte> bytes, std::size_t offset) {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw_system_error(path_, "write", count == 0 ? ENOSPC : errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::size_t>(count);
  }
}

void FileDescriptor::read(std::span<std::byte> bytes, std::size_t offset) const {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_system_error(path_, "read", errno);
    if (count == 0)
      throw CutOff(fmt::format("{}: the file ends at byte {}, {} more are needed: it was cut off",
                               path_.string(), offset, bytes.size()));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::size_t>(count);
  }
}

std::size_t FileDescriptor::size() const {
  struct stat facts{};
  if (::fstat(descriptor_, &facts) != 0) throw_system_error(path_, "stat", errno);
  return static_cast<std::size_t>(facts.st_size);
}

void FileDescriptor::sync() {
  if (::fsync(descriptor_) != 0) throw_system_error(path_, "fsync", errno);
}

void FileDescriptor::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  if (::close(descriptor) != 0) throw_system_error(path_, "close", errno);
}

void allow_open_files(std::size_t count) {
  constexpr rlim_t kOthers = 512;  // libraries, messages, records
  const rlim_t wanted = count + kOthers;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);  // refused: the open that lacks a descriptor says so
}

}  // namespace isoflop
