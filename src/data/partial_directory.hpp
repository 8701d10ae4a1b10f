// A directory that appears whole or not at all: filled under another name, then renamed.
#pragma once

#include <filesystem>
#include <optional>

#include "core/file_lock.hpp"

namespace isoflop::data {

class PartialDirectory {
 public:
  /// Makes <target>.partial, empty; what an interrupted process left there is removed. Throws
  /// Locked while another process is filling it.
  explicit PartialDirectory(std::filesystem::path target);

  /// Removes it unless it was published.
  ~PartialDirectory();
  PartialDirectory(const PartialDirectory&) = delete;
  PartialDirectory& operator=(const PartialDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Gives it the target's name; a directory that is there changes places with it in one step and
  /// is then removed.
  void publish();

 private:
  std::filesystem::path target_, path_, lock_path_;
  std::optional<FileLock> lock_;  // empty once published
};

}  // namespace isoflop::data
