// "One process at a time": a lock on a file, gone with the process however it ends.
#pragma once

#include <filesystem>

namespace isoflop {

class FileLock {
 public:
  /// Makes the file if needed and locks it; one that may only be read, as in somebody else's
  /// directory, is locked as it is. Throws InputError "<path>: is locked by another
  /// process" when it is held.
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace isoflop
