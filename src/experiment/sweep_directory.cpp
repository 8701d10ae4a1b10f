#include "experiment/sweep_directory.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "checkpoint/directory.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "record/whole_run.hpp"

namespace isoflop::experiment {
namespace {

// The trainer and the manager write {"reason": ...}; whatever else stands there is the reason.
std::string failure_reason(const std::filesystem::path& mark) {
  const std::string text = read_file(mark);
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_object() && json.contains("reason") && json["reason"].is_string())
    return json["reason"];
  return text.substr(0, text.find('\n'));
}

RunState lost(const std::filesystem::path& run_directory, const std::string& seen) {
  return {State::failed,
          fmt::format("{}; move {} away and isoflop sweep run trains it again", seen,
                      run_directory.string()),
          true};
}

// What the system does not let be read may be whole.
RunState of_finished(const std::filesystem::path& run_directory, const std::string& run) {
  try {
    const auto harm = record::find_harm(run_directory, run);
    if (harm) return lost(run_directory, "it finished, but its run.h5 is " + *harm);
  } catch (const Error& error) {
    return {State::finished, error.what()};
  }
  return {State::finished, ""};
}

}  // namespace

const char* name_of(State state) {
  switch (state) {
    case State::waiting:
      return "waiting";
    case State::stopped:
      return "stopped";
    case State::running:
      return "running";
    case State::finished:
      return "finished";
    case State::failed:
      return "failed";
  }
  return "";
}

bool is_locked(const std::filesystem::path& run_directory) {
  return FileLock::is_held(run_directory / "lock");
}

namespace {

RunState state_by_marks(const std::filesystem::path& run_directory, const std::string& run) {
  const std::string held = record::claimant(run_directory);
  if (!held.empty() && held != run)
    return lost(run_directory, fmt::format("its directory holds run {}, needed run {}", held, run));
  if (std::filesystem::exists(run_directory / "finished")) return of_finished(run_directory, run);
  if (is_locked(run_directory)) return {State::running, ""};
  if (std::filesystem::exists(run_directory / "failed"))
    return {State::failed, failure_reason(run_directory / "failed")};
  const bool begun = std::filesystem::exists(run_directory / "run.h5");
  return {begun ? State::stopped : State::waiting, ""};
}

RunState unreachable(const std::filesystem::filesystem_error& error) try {
  throw_system_error(error.path1(), "reach", error.code().value());
} catch (const Error& reason) {
  return {State::failed, reason.what(), true};
}

}  // namespace

RunState state_of(const std::filesystem::path& run_directory, const std::string& run) try {
  return state_by_marks(run_directory, run);
} catch (const Error& error) {
  return {State::failed, error.what(), true};
} catch (const std::filesystem::filesystem_error& error) {
  return unreachable(error);
}

void forget_failure(const std::filesystem::path& run_directory) {
  const FileLock lock(run_directory / "lock");
  std::error_code error;
  std::filesystem::remove(run_directory / "failed", error);
  if (error) throw_system_error(run_directory / "failed", "remove", error.value());
}

Checkpoint latest_checkpoint(const std::filesystem::path& run_directory, std::int64_t most) {
  Checkpoint latest;
  for (const std::int64_t step : checkpoint::complete_steps(run_directory)) {
    if (step <= most) latest = {step, checkpoint::step_directory(run_directory, step)};
  }
  return latest;
}

std::uintmax_t bytes_below(const std::filesystem::path& path) {
  std::uintmax_t bytes = 0;
  if (!std::filesystem::is_directory(path)) return bytes;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

}  // namespace isoflop::experiment
