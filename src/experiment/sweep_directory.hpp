// The files of a sweep, and what they say of its runs. A sweep has no other state: whoever looks
// (the manager, `sweep status`, `collect`) reads the same marks.
//
//   DIR/manifest.toml     the study's manifest, paths absolute
//   DIR/plan.json         see stored_plan.hpp
//   DIR/lock              held by the manager
//   DIR/runs/<id>/        one directory a run
//   DIR/calibration.json  tokens a second by shape, see costs.hpp
//   DIR/results.h5, fit-<law>[-<method>].json, prediction.json   of a collection
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace isoflop::experiment {

enum class State {
  waiting,  // not begun
  stopped,  // begun, goes on at the next start
  running,  // a process trains it
  finished,
  failed,  // will not be trained again unless asked for
};

const char* name_of(State state);

struct RunState {
  State state = State::waiting;
  std::string reason;    // why it failed, or why the record of a finished one is not read
  bool is_lost = false;  // has no record of the run that can be read: to retry will not do
};

class SweepDirectory {
 public:
  explicit SweepDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path manifest() const { return path_ / "manifest.toml"; }
  std::filesystem::path plan() const { return path_ / "plan.json"; }
  std::filesystem::path lock() const { return path_ / "lock"; }
  std::filesystem::path calibration() const { return path_ / "calibration.json"; }
  std::filesystem::path results() const { return path_ / "results.h5"; }
  std::filesystem::path fit(const std::string& name) const {
    return path_ / ("fit-" + name + ".json");
  }
  std::filesystem::path prediction() const { return path_ / "prediction.json"; }
  std::filesystem::path run(const std::string& id) const { return path_ / "runs" / id; }

 private:
  std::filesystem::path path_;
};

/// Of `run`, by the marks and the lock of its directory. One that holds another run, or a finished
/// one whose record is missing or damaged, counts as failed, as does one whose marks cannot be
/// read; the record is read for that.
RunState state_of(const std::filesystem::path& run_directory, const std::string& run);

/// True while a process trains the run.
bool is_locked(const std::filesystem::path& run_directory);

/// Forgets a failure: the run goes on from its last checkpoint.
void forget_failure(const std::filesystem::path& run_directory);

/// The complete checkpoint of the most steps, but of no more than `most`; 0 steps: there is none.
struct Checkpoint {
  std::int64_t steps = 0;
  std::filesystem::path path;
};
Checkpoint latest_checkpoint(const std::filesystem::path& run_directory, std::int64_t most);

/// Bytes of the files below `path`, 0 when it is not there.
std::uintmax_t bytes_below(const std::filesystem::path& path);

}  // namespace isoflop::experiment
