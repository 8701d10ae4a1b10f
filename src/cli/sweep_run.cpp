#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/sweep.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "experiment/local/child_process.hpp"
#include "experiment/local/executor.hpp"
#include "experiment/stored_plan.hpp"

namespace isoflop::cli {
namespace {

struct Options : SweepOptions {
  std::size_t jobs = 0;
  bool retry_failed = false;
};

std::string json_text(const experiment::SweepEnd& end) {
  nlohmann::ordered_json json{{"finished", end.runs.finished},
                              {"total", end.runs.total},
                              {"interrupted", end.interrupted},
                              {"failed", nlohmann::ordered_json::array()}};
  for (const auto& run : end.failed) {
    json["failed"].push_back(
        {{"label", run.label}, {"reason", run.reason}, {"log", run.log.string()}});
  }
  return json.dump(2) + "\n";
}

std::string table(const experiment::SweepEnd& end) {
  std::string text = fmt::format("{} of {} runs finished\n", end.runs.finished, end.runs.total);
  for (const auto& run : end.failed)
    text += fmt::format("failed: {}: {}; log: {}\n", run.label, run.reason, run.log.string());
  return text;
}

// The checkpoints of a trunk are large and of no use once its branches are finished.
void tell_of_trunks(const Sweep& sweep) {
  std::string trunks;
  std::uintmax_t bytes = 0;
  for (const experiment::PlannedRun& run : sweep.plan.runs) {
    if (run.role != experiment::Role::trunk) continue;
    const auto checkpoints = sweep.directory.run(run.id) / "checkpoint";
    const std::uintmax_t more = experiment::bytes_below(checkpoints);
    if (more == 0) continue;
    bytes += more;
    trunks += " " + shell_word(checkpoints.string());
  }
  if (bytes == 0) return;
  fmt::print(stderr, "no run needs the trunks' checkpoints any more: rm -r{} frees {:.1f} MiB\n",
             trunks, static_cast<double>(bytes) / 0x1p20);
}

void run(const Options& options) {
  Sweep sweep = open_sweep(options, Purpose::train);
  const std::size_t jobs = jobs_or_cores(options.jobs, sweep.plan);
  require_memory(sweep, jobs);
  std::error_code error;
  std::filesystem::create_directories(sweep.directory.path(), error);
  require(!error, "{}: the sweep's directory cannot be made: {}; choose another --out",
          sweep.directory.path().string(), error.message());
  const experiment::SweepEnd end = experiment::run_sweep(
      sweep.plan, sweep.directory,
      {.program = experiment::own_program(),
       .jobs = jobs,
       .retry_failed = options.retry_failed,
       .progress = options.json == "-" ? stderr : stdout},
      [&] {
        predict_seconds(sweep);
        for (const std::string& note : sweep.plan.notes) fmt::print(stderr, "{}\n", note);
        write_file_atomically(sweep.directory.manifest(), experiment::stored_text(sweep.manifest));
        write_file_atomically(sweep.directory.plan(), experiment::plan_json(sweep.plan));
      });
  print_result(table(end), json_text(end), options.json);
  if (end.complete()) tell_of_trunks(sweep);
  if (!end.failed.empty()) {
    throw CheckFailed(
        fmt::format("{} of {} runs failed; --retry-failed trains again those that did not finish",
                    end.failed.size(), end.runs.total));
  }
  if (!end.complete()) throw Stopped("the sweep is not finished; the same command goes on");
}

}  // namespace

void add_sweep_run(CLI::App& sweep_app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = sweep_app.add_subcommand("run", "Train every run that is not finished");
  add_sweep_options(*command, *options);
  command->add_option("--jobs", options->jobs, "Processes at once; default one for each core")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}));
  command->add_flag("--retry-failed", options->retry_failed, "Train failed runs again");
  command->footer(
      "The same command goes on after any stop, kill -9 included. SIGINT, SIGTERM, SIGUSR1 and "
      "SIGHUP let every run save and stop. Exit codes: 0 all runs finished, 3 some failed, 4 "
      "another manager is at work, 75 stopped.");
  command->callback([options] { run(*options); });
}

}  // namespace isoflop::cli
