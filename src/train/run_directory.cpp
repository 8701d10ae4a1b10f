#include "train/run_directory.hpp"

#include "config/run_config.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop::train {
namespace {

std::filesystem::path made(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  require(!error, "{}: the run directory cannot be made: {}", path.string(), error.message());
  return path;
}

}  // namespace

RunDirectory::RunDirectory(const std::filesystem::path& path)
    : path_(made(path)), lock_(path_ / "lock") {}

bool RunDirectory::is_finished() const { return std::filesystem::exists(path_ / "finished"); }

void RunDirectory::claim(const std::string& run_id, const std::string& config_text) {
  const std::filesystem::path mark = path_ / "run_id";
  if (std::filesystem::exists(mark)) {
    const std::string held = read_file(mark);
    require(held == run_id + "\n",
            "{}: holds run {}, this configuration is run {}; choose another --out", path_.string(),
            held.substr(0, held.find('\n')), run_id);
  } else {
    write_file_atomically(mark, run_id + "\n");
  }
  write_file_atomically(config(), config_text);
}

void RunDirectory::mark_finished(const std::string& text) {
  std::filesystem::remove(path_ / "failed");
  write_file_atomically(path_ / "finished", text + "\n");
}

void RunDirectory::mark_failed(const std::string& text) {
  write_file_atomically(path_ / "failed", text + "\n");
}

}  // namespace isoflop::train
