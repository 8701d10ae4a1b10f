// A directory that appears whole or not at all: filled under another name, then renamed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/file_lock.hpp"

namespace isoflop::data {

/// The directory that `target` names or links to; it need not be there. InputError when no rename
/// could put another in its place: the working directory, a mount point, an empty name.
std::filesystem::path replaceable_directory(const std::filesystem::path& target);

/// The name of something in `directory` that no corpus has; none: it may be removed with the
/// corpus.
std::optional<std::string> find_stranger(const std::filesystem::path& directory);

class PartialDirectory {
 public:
  /// Makes <target>.partial, empty; what an interrupted process left there is removed. Throws
  /// Locked while another process is filling it, InputError when it holds something else; else as
  /// replaceable_directory.
  explicit PartialDirectory(const std::filesystem::path& target);

  /// Removes it unless it was published.
  ~PartialDirectory();
  PartialDirectory(const PartialDirectory&) = delete;
  PartialDirectory& operator=(const PartialDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Gives it the target's name; a directory that is there changes places with it in one step and
  /// is then removed.
  void publish();

 private:
  std::filesystem::path target_, path_;
  std::optional<FileLock> lock_;  // empty once published
};

}  // namespace isoflop::data
