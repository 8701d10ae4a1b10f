// What the subcommands of `isoflop sweep` share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "experiment/manifest.hpp"
#include "experiment/plan.hpp"
#include "experiment/sweep_directory.hpp"

namespace CLI {
class App;
}

namespace isoflop::cli {

/// The study that a subcommand was called for.
struct Sweep {
  experiment::Manifest manifest;
  experiment::Plan plan;  // without seconds
  experiment::SweepDirectory directory;
};

/// What a sweep is opened for. Looking at a sweep's directory needs none of the data: its plan is
/// the one that was trained last.
enum class Purpose { train, look };

/// Measures what calibration.json lacks, and fills in the plan's seconds. Stopped after a signal.
void predict_seconds(Sweep& sweep);

/// 0: one for each core that this process may use.
std::size_t jobs_or_cores(std::size_t jobs, const experiment::Plan& plan);

/// Throws InputError when the largest `jobs` of the runs that are not finished do not fit into
/// memory together.
void require_memory(const Sweep& sweep, std::size_t jobs);

/// The options that every subcommand has.
struct SweepOptions {
  std::string study, out, json;
};
void add_sweep_options(CLI::App& command, SweepOptions& options);

/// `study` is a manifest or a sweep's directory. `out` is the directory; empty: results/<name of
/// the study>, or `study` itself if it is one. `json` may be none of the sweep's own files.
Sweep open_sweep(const SweepOptions& options, Purpose purpose);

void add_sweep_plan(CLI::App& sweep);
void add_sweep_run(CLI::App& sweep);
void add_sweep_status(CLI::App& sweep);
void add_sweep_collect(CLI::App& sweep);

}  // namespace isoflop::cli
