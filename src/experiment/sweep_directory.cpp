#include "experiment/sweep_directory.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "checkpoint/directory.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "record/run_reader.hpp"

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

// The mark was written last: a record that is not whole now was harmed later, and nothing can be
// collected from it. What the system does not read may be whole.
RunState of_finished(const std::filesystem::path& run_directory) {
  const auto lost = [&](const char* how) -> RunState {
    return {State::failed, fmt::format("it finished, but its run.h5 is {}; move {} away and "
                                       "isoflop sweep run trains it again",
                                       how, run_directory.string())};
  };
  if (!std::filesystem::exists(run_directory / "run.h5")) return lost("missing");
  try {
    record::read_run(run_directory / "run.h5");
  } catch (const record::Damaged&) {
    return lost("damaged");
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

RunState state_of(const std::filesystem::path& run_directory) {
  if (std::filesystem::exists(run_directory / "finished")) return of_finished(run_directory);
  if (std::filesystem::exists(run_directory / "failed"))
    return {State::failed, failure_reason(run_directory / "failed")};
  if (is_locked(run_directory)) return {State::running, ""};
  const bool begun = std::filesystem::exists(run_directory / "run.h5");
  return {begun ? State::stopped : State::waiting, ""};
}

void forget_failure(const std::filesystem::path& run_directory) {
  const FileLock lock(run_directory / "lock");
  std::filesystem::remove(run_directory / "failed");
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
