#include "checkpoint/directory.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

fs::path folder_of(const fs::path& run_directory) { return run_directory / "checkpoint"; }

std::string name_of(std::int64_t step) { return fmt::format("{}{}", kPrefix, step); }

/// The step of a folder named step-<n>, as step_directory() names it.
std::optional<std::int64_t> step_of(const fs::path& directory) {
  const std::string name = directory.filename();
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::int64_t step = 0;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + kPrefix.size(), end, step);
  if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return step >= 0 && name_of(step) == name ? std::optional(step) : std::nullopt;
}

/// Of a save that did not come to its end. What a person put beside the checkpoints, such as a copy
/// of one, is not ours.
bool is_left_over(const fs::path& path) {
  if (step_of(path)) return !fs::exists(complete_mark(path));
  return path.filename().string().starts_with(kPrefix) && path.extension() == ".partial";
}

/// No folder: no checkpoint yet. One that cannot be listed is an error instead: a run that took it
/// for empty would begin anew over what it has.
std::vector<fs::path> entries(const fs::path& run_directory) {
  const fs::path folder = folder_of(run_directory);
  std::error_code error;
  if (fs::status(folder, error).type() == fs::file_type::not_found) return {};
  std::vector<fs::path> paths;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    paths.push_back(entry->path());
  if (error) throw_system_error(folder, "list", error.value());
  return paths;
}

void remove_checkpoint(const fs::path& directory) {
  fs::remove(complete_mark(directory));  // first: what is half removed must not look complete
  fs::remove_all(directory);
}

}  // namespace

fs::path step_directory(const fs::path& run_directory, std::int64_t step) {
  return folder_of(run_directory) / name_of(step);
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

void set_aside(const fs::path& run_directory, std::int64_t step) {
  const fs::path from = step_directory(run_directory, step);
  const fs::path to = from.parent_path() / ("damaged-" + from.filename().string());
  fs::remove_all(to);
  fs::rename(from, to);
}

void prune(const fs::path& run_directory, std::size_t keep,
           const std::function<bool(std::int64_t step)>& is_protected) {
  for (const fs::path& path : entries(run_directory))
    if (is_left_over(path)) remove_checkpoint(path);
  std::vector<std::int64_t> steps = complete_steps(run_directory);
  std::erase_if(steps, is_protected);
  for (std::size_t i = 0; i + keep < steps.size(); ++i)
    remove_checkpoint(step_directory(run_directory, steps[i]));
}

}  // namespace isoflop::checkpoint
