// "One process at a time": a lock on a file, gone with the process however it ends.
//
// Looking whether it is held (is_held) shares the lock for an instant, so FileLock tries again for
// a moment before it calls the file locked: who looks keeps nobody out.
#pragma once

#include <filesystem>

#include "core/error.hpp"

namespace isoflop {

inline constexpr int kLockedExitCode = 4;

/// Another process works in the directory that was asked for. Exit code kLockedExitCode.
class Locked : public InputError {
 public:
  using InputError::InputError;
};

class FileLock {
 public:
  /// Makes the file if needed and locks it; one that may only be read, as in somebody else's
  /// directory, is locked as it is. Throws Locked when another process holds it.
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Whether a process holds the lock on this file; not, when there is no such file.
  static bool is_held(const std::filesystem::path& path);

  /// Whether the file still has its name: not once it, or a folder that it is in, was moved or
  /// removed.
  bool is_in_place() const;

 private:
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace isoflop
