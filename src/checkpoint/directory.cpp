#include "checkpoint/directory.hpp"

#include <algorithm>
#include <charconv>
#include <string>

#include "core/error.hpp"

namespace isoflop::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

fs::path folder_of(const fs::path& run_directory) { return run_directory / "checkpoint"; }

/// The step of a folder named step-<n>.
std::optional<std::int64_t> step_of(const fs::path& directory) {
  const std::string name = directory.filename();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return step;
}

std::vector<fs::path> entries(const fs::path& run_directory) {
  std::error_code none;  // no folder: no checkpoint yet
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder_of(run_directory), none))
    paths.push_back(entry.path());
  return paths;
}

void remove_checkpoint(const fs::path& directory) {
  fs::remove(complete_mark(directory));  // first: what is half removed must not look complete
  fs::remove_all(directory);
}

}  // namespace

fs::path step_directory(const fs::path& run_directory, std::int64_t step) {
  return folder_of(run_directory) / fmt::format("{}{}", kPrefix, step);
}

fs::path state_file(const fs::path& directory) { return directory / "state.h5"; }
fs::path complete_mark(const fs::path& directory) { return directory / "complete"; }

std::vector<std::int64_t> complete_steps(const fs::path& run_directory) {
  std::vector<std::int64_t> steps;
  for (const fs::path& path : entries(run_directory))
    if (const auto step = step_of(path); step && fs::exists(complete_mark(path)))
      steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<fs::path> latest(const fs::path& run_directory) {
  const std::vector<std::int64_t> steps = complete_steps(run_directory);
  if (steps.empty()) return std::nullopt;
  return step_directory(run_directory, steps.back());
}

void set_aside(const fs::path& run_directory, std::int64_t step) {
  const fs::path from = step_directory(run_directory, step);
  const fs::path to = from.parent_path() / ("damaged-" + from.filename().string());
  fs::remove_all(to);
  fs::rename(from, to);
}

void prune(const fs::path& run_directory, std::size_t keep,
           const std::function<bool(std::int64_t step)>& is_protected) {
  for (const fs::path& path : entries(run_directory))
    if (path.filename().string().starts_with(kPrefix) &&
        (!step_of(path) || !fs::exists(complete_mark(path))))
      remove_checkpoint(path);
  std::vector<std::int64_t> steps = complete_steps(run_directory);
  std::erase_if(steps, is_protected);
  for (std::size_t i = 0; i + keep < steps.size(); ++i)
    remove_checkpoint(step_directory(run_directory, steps[i]));
}

}  // namespace isoflop::checkpoint
