// An open file of the system: owns the descriptor, reads and writes whole spans at byte offsets
// without moving a cursor, so that several processes may fill one file.
//
// Errors as in core/atomic_file.hpp.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "core/error.hpp"

namespace isoflop {

/// A file ends before the bytes that were asked for; no system call failed.
class CutOff : public Error {
 public:
  using Error::Error;
};

class FileDescriptor {
 public:
  /// `flags` as for open(2); new files get mode 0666 less the umask.
  FileDescriptor(std::filesystem::path path, int flags);
  ~FileDescriptor();
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  /// Every byte, at byte `offset` of the file.
  void write(std::span<const std::byte> bytes, std::size_t offset);
  /// Every byte; CutOff for a file that ends before.
  void read(std::span<std::byte> bytes, std::size_t offset) const;
  /// Bytes.
  std::size_t size() const;
  /// Blocks until the disk has it.
  void sync();
  /// The destructor closes too, but cannot report.
  void close();

 private:
  std::filesystem::path path_;
  int descriptor_;
};

/// Raises the process's limit of open files, as far as its hard limit allows, to `count` and as
/// many as other uses need.
void allow_open_files(std::size_t count);

}  // namespace isoflop
