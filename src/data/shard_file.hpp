// One file of tokens, open for reading at any place. Read with pread rather than mapped: a mapping
// makes the page cache around every window that was ever read count as memory of the run, and a
// file that shrinks under it ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/file_descriptor.hpp"

namespace isoflop::data {

class ShardFile {
 public:
  /// InputError unless the file can be opened and has `bytes` bytes.
  ShardFile(std::string path, std::int64_t bytes);

  const std::string& path() const { return path_; }
  std::int64_t bytes() const { return bytes_; }

  /// Fills `to` from byte `at`. Safe on several threads at once. InputError when the file has
  /// become shorter, Error when it cannot be read.
  void read(std::int64_t at, std::span<std::byte> to) const;

  /// XXH3 of the whole file, in hexadecimal digits.
  std::string checksum() const;

 private:
  std::string path_;
  std::int64_t bytes_;
  std::unique_ptr<const FileDescriptor> file_;
};

}  // namespace isoflop::data
