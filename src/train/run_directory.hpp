// The directory of one run: its files and its lock.
//
//   run.toml       resolved configuration       run_id    its hash, which claims the directory
//   run.h5         record                       log       what the trainer said
//   checkpoint/    see checkpoint/directory.hpp
//   lock           held while a process trains it
//   finished | failed    written last, see record/mark.hpp
#pragma once

#include <filesystem>
#include <string>

#include "core/file_lock.hpp"

namespace isoflop::train {

class RunDirectory {
 public:
  /// Makes the directory if needed and takes its lock. InputError when another process holds it or
  /// its run_id is another, or a run.toml lies there that is not `config_text`, whatever
  /// program wrote it. Claims nothing yet,
  /// so that a run refused later leaves it free.
  RunDirectory(const std::filesystem::path& path, std::string run_id, std::string config_text);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "run.toml"; }
  std::filesystem::path record() const { return path_ / "run.h5"; }

  /// Writes run_id and run.toml; a `failed` of an earlier attempt goes. Before run.h5 is made.
  void begin();

 private:
  std::filesystem::path path_;
  std::string run_id_;
  std::string config_text_;
  FileLock lock_;
};

}  // namespace isoflop::train
