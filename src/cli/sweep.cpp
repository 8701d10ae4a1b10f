#include "cli/sweep.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "comm/options.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/processor.hpp"
#include "core/stop_signal.hpp"
#include "device/runtime.hpp"
#include "experiment/costs.hpp"
#include "experiment/local/child_process.hpp"
#include "experiment/stored_plan.hpp"
#include "train/memory.hpp"
#include "train/source.hpp"

namespace isoflop::cli {
namespace {

namespace fs = std::filesystem;

experiment::DataFacts facts_of(const config::RunConfig& config) {
  const std::shared_ptr<const data::TokenSource> source = train::open_source(config);
  experiment::DataFacts facts;
  facts.vocabulary = static_cast<std::size_t>(source->vocabulary());
  facts.fingerprint = source->fingerprint();
  facts.validation_tokens = source->validation_sequences() * source->context();
  facts.unique_tokens = [source](std::int64_t tokens) { return source->unique_tokens(tokens); };
  return facts;
}

// A folder for files that only a child process reads. Those of processes that were killed go.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(path_beside(fs::temp_directory_path() / kName)) {
    std::error_code ignored, of_others;
    fs::remove_all(path_, ignored);  // of a process that had the same number
    fs::directory_iterator entry(path_.parent_path(), ignored);
    for (; !ignored && entry != fs::directory_iterator(); entry.increment(ignored)) {
      if (entry->path().filename().string().starts_with(kName) && is_left_behind(entry->path()))
        fs::remove_all(entry->path(), of_others);
    }
    if (mkdir(path_.c_str(), S_IRWXU) != 0) throw_system_error(path_, "mkdir", errno);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  static constexpr const char* kName = "isoflop-speed";

  fs::path path_;
};

void stop_if_asked(const StopSignal& stop) {
  if (stop.received() != 0)
    throw Stopped("stopped by a signal while the speed was measured; the same command goes on");
}

// A signal ends the child, a second one at once, and is thrown as Stopped.
experiment::ProcessEnd wait_for(const experiment::ChildProcess& child, const StopSignal& stop) {
  constexpr std::chrono::milliseconds kPeriod{20};
  std::optional<experiment::ProcessEnd> end;
  while (!(end = child.ended())) {
    if (stop.count() == 1) child.terminate();
    if (stop.count() > 1) child.kill();
    std::this_thread::sleep_for(kPeriod);
  }
  stop_if_asked(stop);
  return *end;
}

// Tokens a second of a few steps in a process like the run's own; nothing, and why in `failure`,
// when there is no figure. Stopped after a signal.
std::optional<double> measure_rate(const experiment::PlannedRun& planned, const StopSignal& stop,
                                   std::string& failure) {
  const config::RunConfig& config = planned.config;
  const auto needed = static_cast<std::size_t>(planned.memory_bytes);
  if (needed >= train::available_bytes()) {  // of a finished run, trained on a larger machine
    failure = fmt::format("it needs {:.1f} GiB", static_cast<double>(needed) / 0x1p30);
    return std::nullopt;
  }
  constexpr const char* kSteps = "3";
  const TemporaryFolder folder;
  const fs::path run = folder.path() / "run.toml";
  const fs::path figures = folder.path() / "bench.json";
  write_file_atomically(run, config::to_toml(config));
  fmt::print(stderr, "measuring the speed of {} layers of width {} ...\n", config.model.layers,
             config.model.width);
  const auto child = experiment::ChildProcess::start(
      {experiment::own_program(), "bench", "train", run, "--steps", kSteps, "--json", figures},
      {{"OMP_NUM_THREADS", std::to_string(config.train.threads)}, {"OMP_PROC_BIND", "false"}},
      folder.path() / "log");
  const experiment::ProcessEnd end = wait_for(child, stop);
  if (end.code != 0 || end.signal != 0) {
    failure = fmt::format("{}: {}", end.text(), experiment::last_line(folder.path() / "log"));
    return std::nullopt;
  }
  const auto json = nlohmann::json::parse(read_file(figures), nullptr, false);
  if (!json.is_object() || !json.contains("tokens_per_second")) {
    failure = "it wrote no tokens_per_second";
    return std::nullopt;
  }
  return json["tokens_per_second"].get<double>();
}

// By the marks alone: what is finished is not trained, whatever became of its record. A trunk
// counts while one of its branches does.
std::vector<bool> unfinished_runs(const Sweep& sweep) {
  const std::vector<experiment::PlannedRun>& runs = sweep.plan.runs;
  std::vector<bool> finished;
  for (const experiment::PlannedRun& run : runs) {
    std::error_code unreadable;
    finished.push_back(fs::exists(sweep.directory.run(run.id) / "finished", unreadable));
  }
  std::vector<bool> unfinished(runs.size(), false);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].role == experiment::Role::trunk || finished[i]) continue;
    unfinished[i] = true;
    if (runs[i].trunk && !finished[*runs[i].trunk]) unfinished[*runs[i].trunk] = true;
  }
  return unfinished;
}

// --json in the sweep's directory may be a file that its user asks for, but none that others read.
void refuse_own_files(const fs::path& folder, const fs::path& json) {
  constexpr std::array<std::string_view, 6> kOwn = {
      "calibration.json", "lock", "manifest.toml", "plan.json", "prediction.json", "results.h5"};
  const std::string name = json.filename().string();
  std::error_code none;
  const bool is_inside =
      fs::equivalent(json.has_parent_path() ? json.parent_path() : ".", folder, none);
  const bool is_own = std::ranges::find(kOwn, name) != kOwn.end() || name.starts_with("fit-");
  require(!is_inside || !is_own, "--json {}: is a file of the sweep itself; name another file",
          json.string());
}

int threads_of(const experiment::Manifest& manifest) {
  std::int64_t threads = 1;
  for (const experiment::Size& size : manifest.sizes)
    threads = std::max(threads, size.run.train.threads);
  return static_cast<int>(threads);
}

}  // namespace

Sweep open_sweep(const SweepOptions& options, Purpose purpose) {
  const auto& [study, out, json] = options;
  const bool is_directory = fs::is_directory(study);
  require(!is_directory || out.empty() || fs::equivalent(study, out),
          "--out {}: seen beside the sweep directory {}, needed a manifest with --out, or the "
          "directory alone",
          out, study);
  const fs::path file = is_directory ? fs::path(study) / "manifest.toml" : fs::path(study);
  experiment::Manifest manifest = experiment::read_manifest(file.string());
  const fs::path folder = is_directory  ? fs::path(study)
                          : out.empty() ? fs::path("results") / manifest.name
                                        : fs::path(out);
  require(!fs::exists(folder) || fs::is_directory(folder),
          "--out {}: Not a directory; name another place, or move away what is there",
          folder.string());
  refuse_own_files(folder, json);
  require(!fs::exists(folder / "corpus.json") && !fs::exists(folder / "run_id"),
          "--out {}: holds a corpus or a run; choose another directory", folder.string());
  experiment::SweepDirectory directory(folder);
  if (is_directory && purpose == Purpose::look && fs::exists(directory.plan())) {
    const std::string path = directory.plan().string();
    return {std::move(manifest), experiment::plan_from_json(read_file(path), path),
            std::move(directory)};
  }
  if (purpose == Purpose::train)  // what every run would refuse is refused once
    comm::Options::from_environment();
  const device::Runtime runtime(threads_of(manifest));  // kernels size their workspace by it
  experiment::Plan plan = experiment::make_plan(
      manifest, {.data = facts_of, .memory_bytes = [](const config::RunConfig& config) {
                   return static_cast<std::int64_t>(train::process_bytes(config, 1, 0));
                 }});
  return {std::move(manifest), std::move(plan), std::move(directory)};
}

void predict_seconds(Sweep& sweep) {
  experiment::Rates rates(sweep.directory.calibration());
  std::string failure;
  const StopSignal stop;
  experiment::predict_seconds(sweep.plan, rates, [&](const experiment::PlannedRun& run) {
    return measure_rate(run, stop, failure);
  });
  stop_if_asked(stop);
  if (!failure.empty())
    sweep.plan.notes.push_back("isoflop bench train, which measures the speed, failed: " + failure);
}

std::size_t jobs_or_cores(std::size_t jobs, const experiment::Plan& plan) {
  if (jobs > 0) return jobs;
  std::int64_t threads = 1;
  for (const experiment::PlannedRun& run : plan.runs)
    threads = std::max(threads, run.config.train.threads);
  return std::max<std::size_t>(1, usable_cores() / static_cast<std::size_t>(threads));
}

void require_memory(const Sweep& sweep, std::size_t jobs) {
  const auto needed = static_cast<std::size_t>(
      experiment::memory_at_once(sweep.plan, unfinished_runs(sweep), jobs));
  const std::size_t available = train::available_bytes();
  require(needed < available,
          "--jobs {}: the largest runs need {:.1f} GiB together, this machine has {:.1f} GiB left; "
          "take fewer jobs, smaller sizes or a smaller train.micro_batch",
          jobs, static_cast<double>(needed) / 0x1p30, static_cast<double>(available) / 0x1p30);
}

void add_sweep_options(CLI::App& command, SweepOptions& options) {
  command.add_option("study", options.study, "Manifest of the study, or the sweep's directory")
      ->required();
  command.add_option("--out", options.out,
                     "Directory of the sweep; default results/<name of the study>");
  add_output(command, "--json", options.json,
             "Write the figures as JSON to this file, or to standard output with -");
}

void add_sweep(CLI::App& app) {
  CLI::App* sweep = app.add_subcommand("sweep", "Plan and train the runs of a study, fit its laws");
  sweep->require_subcommand(1);
  sweep->footer(
      "docs/manifest.md describes the manifest of a study. The report, one page with every figure, "
      "is drawn from what collect writes: tools/python.sh -m isoflop_analysis SWEEP_DIR");
  add_sweep_plan(*sweep);
  add_sweep_run(*sweep);
  add_sweep_status(*sweep);
  add_sweep_collect(*sweep);
}

}  // namespace isoflop::cli
