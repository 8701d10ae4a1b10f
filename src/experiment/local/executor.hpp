// Trains what a sweep lacks on this machine, one process a run, several at once.
//
// The longest chain of work starts first. A branch starts as soon as the checkpoint it needs is
// complete, while its trunk goes on; if the trunk has ended without it (the point was added to the
// manifest later, the checkpoint was removed), the branch starts from an earlier checkpoint or from
// nothing: the same result, only later.
//
// The manager keeps nothing in memory that matters. Killed with -9, its children save and stop, and
// the next start goes on where they were. A run that fails does not touch the others and stays
// failed until it is asked for again. A run that another process trains is left to it.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "experiment/plan.hpp"
#include "experiment/sweep_directory.hpp"
#include "experiment/tally.hpp"

namespace isoflop::experiment {

struct ExecutorOptions {
  std::filesystem::path program;  // isoflop, or what answers `train` as it does
  std::size_t jobs = 1;
  bool retry_failed = false;
  std::FILE* progress = stdout;  // on a terminal a table drawn in place instead of lines
};

struct FailedRun {
  std::string label, reason;
  std::filesystem::path log;
};

struct SweepEnd {
  Tally runs;
  std::vector<FailedRun> failed;  // and those that their trunk's failure keeps from starting
  bool interrupted = false;       // by a signal; the children have saved

  bool complete() const { return runs.finished == runs.total; }
};

/// Returns when nothing is left that can be trained. `prepare` is called once the directory is this
/// manager's and may still complete the plan. InputError when another manager is at work in it;
/// Error when the directory is moved or removed meanwhile, which stops the runs.
SweepEnd run_sweep(const Plan& plan, const SweepDirectory& directory,
                   const ExecutorOptions& options, const std::function<void()>& prepare);

}  // namespace isoflop::experiment
