// The directory of one run: its files, its lock, its mark.
//
//   run.toml       resolved configuration       run_id    its hash, which claims the directory
//   run.h5         record                       log       what the trainer said
//   checkpoint/    see checkpoint/directory.hpp
//   lock           held while a process trains it
//   finished | failed    written last
#pragma once

#include <filesystem>
#include <string>

#include "core/file_lock.hpp"

namespace isoflop::train {

class RunDirectory {
 public:
  /// Makes the directory if needed and takes its lock. InputError when another process holds it.
  explicit RunDirectory(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "run.toml"; }
  std::filesystem::path record() const { return path_ / "run.h5"; }

  bool is_finished() const;

  /// Writes run_id and run.toml. InputError when the directory's run_id is another.
  void claim(const std::string& run_id, const std::string& config_text);

  /// One line of JSON, written whole or not at all; a `failed` of an earlier attempt goes.
  void mark_finished(const std::string& text);
  void mark_failed(const std::string& text);

 private:
  std::filesystem::path path_;
  FileLock lock_;
};

}  // namespace isoflop::train
