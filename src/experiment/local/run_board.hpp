// What every run of a sweep has come to, and which may start next. Reads the sweep's directory,
// starts nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "experiment/plan.hpp"
#include "experiment/sweep_directory.hpp"
#include "experiment/tally.hpp"

namespace isoflop::experiment {

/// Positions are those of Plan::runs.
class RunBoard {
 public:
  /// `retry_failed`: failures of before are forgotten.
  RunBoard(const Plan& plan, const SweepDirectory& directory, bool retry_failed);

  std::size_t size() const { return runs_.size(); }
  Tally tally() const;
  const RunState& operator[](std::size_t i) const { return runs_[i].state; }
  std::filesystem::path path(std::size_t i) const { return directory_.run(plan_.runs[i].id); }

  /// This manager has a process for the run; until look_at() or fail().
  void start(std::size_t i);
  /// Reads the run's directory again: its process is gone.
  void look_at(std::size_t i);
  /// Looks again at runs that others train, if the last look is older than `age`.
  void look_at_others(std::chrono::steady_clock::duration age);
  /// Another process trains it.
  void leave_to_others(std::size_t i);
  /// Stopped by somebody else: not started again by this manager.
  void retire(std::size_t i) { runs_[i].retired = true; }
  void fail(std::size_t i, const std::string& reason);

  /// Where a branch can start: its trunk's latest checkpoint before the decay; 0 steps: nowhere.
  Checkpoint trunk_checkpoint(std::size_t i) const;

  bool is_settled(std::size_t i) const;
  /// A trunk is trained for its branches alone: while one of them waits for a checkpoint.
  bool is_needed(std::size_t i) const;
  /// Its trunk failed before the checkpoint that it needs.
  bool is_blocked(std::size_t i) const;
  bool is_anything_left() const;
  /// Of the runs that can start, the one at the head of the longest chain of work.
  std::optional<std::size_t> next() const;

 private:
  struct Run {
    RunState state;
    bool ours = false;
    bool retired = false;
    std::chrono::steady_clock::time_point looked;
  };

  bool can_start(std::size_t i) const;
  std::int64_t saved_steps(std::size_t i) const;  // of its own checkpoints; 0: none
  std::int64_t trunk_steps(std::size_t i) const;  // of trunk_checkpoint()

  const Plan& plan_;
  const SweepDirectory& directory_;
  std::vector<double> critical_;
  std::vector<Run> runs_;
};

}  // namespace isoflop::experiment
