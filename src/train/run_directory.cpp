#include "train/run_directory.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "record/whole_run.hpp"

namespace isoflop::train {
namespace {

// Without the line that names the program: a run that waits may be begun by the next build.
std::string_view settings_of(std::string_view config_text) {
  return config_text.starts_with('#')
             ? config_text.substr(std::min(config_text.find('\n'), config_text.size()))
             : config_text;
}

// A folder of text, a corpus or a sweep is no place for a run, and would be hard to tidy up.
void refuse_strangers(const std::filesystem::path& path) {
  static constexpr std::array<std::string_view, 8> kOwn = {
      "checkpoint", "failed", "finished", "lock", "log", "run.h5", "run.toml", "run_id"};
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(path, none)) {
    const std::string name = entry.path().filename().string();
    require(std::ranges::find(kOwn, name) != kOwn.end() || name.ends_with(".partial"),
            "{}: holds {} and no run; choose another --out, or an empty one", path.string(), name);
  }
}

std::filesystem::path made(const std::filesystem::path& path, const std::string& config_text) {
  std::error_code error;
  const std::filesystem::path config = path / "run.toml";
  require(std::filesystem::exists(path / "run_id") || !std::filesystem::exists(config) ||
              settings_of(read_file(config)) == settings_of(config_text),
          "{}: is there, but no run has begun here and would write its own; choose another --out",
          config.string());
  if (!std::filesystem::exists(path / "run_id")) refuse_strangers(path);
  make_folders_durably(path, error);
  require(!error, "{}: the run directory cannot be made: {}", path.string(), error.message());
  const bool is_writable = ::access(path.c_str(), W_OK) == 0;  // before errno is read
  require(is_writable, "{}: the run directory cannot be written: {}; choose another --out",
          path.string(), std::strerror(errno));
  return path;
}

}  // namespace

RunDirectory::RunDirectory(const std::filesystem::path& path, std::string run_id,
                           std::string config_text)
    : path_(made(path, config_text)),
      run_id_(std::move(run_id)),
      config_text_(std::move(config_text)),
      lock_(path_ / "lock") {
  remove_partial_files(path_);
  const std::string held = record::claimant(path_);
  require(held.empty() || held == run_id_,
          "{}: holds run {}, this configuration is run {}; choose another --out", path_.string(),
          held, run_id_);
}

void RunDirectory::begin() {
  write_file_atomically(path_ / "run_id", run_id_ + "\n");
  write_file_atomically(config(), config_text_);
  std::filesystem::remove(path_ / "failed");
}

}  // namespace isoflop::train
