#include "experiment/local/executor.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "core/text.hpp"
#include "experiment/costs.hpp"
#include "experiment/local/child_process.hpp"
#include "experiment/local/display.hpp"
#include "experiment/progress.hpp"
#include "record/run_reader.hpp"

namespace isoflop::experiment {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPeriod{50};
constexpr std::chrono::seconds kDrawPeriod{1};
constexpr std::chrono::seconds kLinePeriod{30};

volatile sig_atomic_t stop_signals = 0;

extern "C" void count_signal(int) { stop_signals = stop_signals + 1; }

// SIGINT and SIGTERM are counted while this lives.
class SignalCounter {
 public:
  SignalCounter() {
    stop_signals = 0;
    struct sigaction action{};
    action.sa_handler = count_signal;
    sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  ~SignalCounter() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM};
  std::array<struct sigaction, kSignals.size()> before_{};
};

class Manager {
 public:
  Manager(const Plan& plan, const SweepDirectory& directory, const ExecutorOptions& options)
      : plan_(plan),
        directory_(directory),
        options_(options),
        critical_(critical_seconds(plan)),
        runs_(plan.runs.size()),
        display_(options.terminal) {
    for (std::size_t i = 0; i < runs_.size(); ++i) look_at(i);
  }

  SweepEnd run() {
    const SignalCounter signals;
    report_start();
    bool told = false;
    for (;;) {
      reap();
      if (stop_signals == 0) start_what_can();
      if (stop_signals > 0 && !told) {
        told = true;
        stop_children();
      }
      if (children_.empty() && (stop_signals > 0 || !is_anything_left())) break;
      if (stop_signals > 1) break;  // impatient: the children have their signal
      report_progress();
      std::this_thread::sleep_for(kPeriod);
    }
    display_.draw({});
    return end();
  }

 private:
  struct Run {
    RunState state;
    bool retired = false;  // stopped by somebody else: not started again by this manager
    Clock::time_point looked;
  };

  std::filesystem::path path(std::size_t i) const { return directory_.run(plan_.runs[i].id); }
  const std::string& label(std::size_t i) const { return plan_.runs[i].label; }

  void look_at(std::size_t i) {
    Run& run = runs_[i];
    run.looked = Clock::now();
    run.state = state_of(path(i));
    if (run.state.state == State::failed && options_.retry_failed) {
      forget_failure(path(i));
      run.state = state_of(path(i));
    }
  }

  // A trunk is trained for its branches alone: while one of them waits for a checkpoint.
  bool is_needed(std::size_t i) const {
    if (plan_.runs[i].role != Role::trunk) return true;
    for (std::size_t b = 0; b < runs_.size(); ++b) {
      const PlannedRun& branch = plan_.runs[b];
      if (branch.trunk != i || is_settled(b) || children_.contains(b)) continue;
      if (latest_checkpoint(path(b), branch.config.steps).steps > 0) continue;
      if (latest_checkpoint(path(i), branch.first_step).steps < branch.first_step) return true;
    }
    return false;
  }

  bool is_settled(std::size_t i) const {
    const State state = runs_[i].state.state;
    return state == State::finished || state == State::failed;
  }

  bool is_blocked(std::size_t i) const {
    const PlannedRun& run = plan_.runs[i];
    if (!run.trunk || is_settled(i) || runs_[*run.trunk].state.state != State::failed) return false;
    return latest_checkpoint(path(i), run.config.steps).steps == 0 &&
           latest_checkpoint(path(*run.trunk), run.first_step).steps < run.first_step;
  }

  bool can_start(std::size_t i) const {
    const State state = runs_[i].state.state;
    if ((state != State::waiting && state != State::stopped) || runs_[i].retired) return false;
    if (!is_needed(i)) return false;
    const PlannedRun& run = plan_.runs[i];
    if (!run.trunk || latest_checkpoint(path(i), run.config.steps).steps > 0) return true;
    const bool ready = latest_checkpoint(path(*run.trunk), run.first_step).steps == run.first_step;
    return ready || runs_[*run.trunk].state.state == State::finished;
  }

  bool is_anything_left() const {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      if (can_start(i) || (runs_[i].state.state == State::running && is_needed(i))) return true;
    }
    return false;
  }

  void start_what_can() {
    for (std::size_t i = 0; i < runs_.size(); ++i) {  // those that others trained
      const bool others = runs_[i].state.state == State::running && !children_.contains(i);
      if (others && Clock::now() - runs_[i].looked > kDrawPeriod) look_at(i);
    }
    while (children_.size() < options_.jobs) {
      std::size_t next = runs_.size();
      for (std::size_t i = 0; i < runs_.size(); ++i) {
        if (can_start(i) && (next == runs_.size() || critical_[i] > critical_[next])) next = i;
      }
      if (next == runs_.size()) return;
      start(next);
    }
  }

  void start(std::size_t i) {
    const PlannedRun& run = plan_.runs[i];
    std::filesystem::create_directories(path(i));
    const std::filesystem::path config = path(i) / "run.toml";
    write_file_atomically(config, config::to_toml(run.config));
    std::vector<std::string> arguments{options_.program, "train",   config,   "--out",
                                       path(i),          "--label", run.label};
    if (run.trunk) {
      const Checkpoint from = latest_checkpoint(path(*run.trunk), run.first_step);
      if (from.steps > 0) arguments.insert(arguments.end(), {"--from", from.path});
    }
    // Several processes with threads bound to cores would all sit on the first ones.
    const std::vector<std::pair<std::string, std::string>> environment{
        {"OMP_NUM_THREADS", std::to_string(run.config.train.threads)}, {"OMP_PROC_BIND", "false"}};
    children_.emplace(i, ChildProcess::start(arguments, environment, path(i) / "log"));
    const bool begun = runs_[i].state.state == State::stopped;
    runs_[i].state.state = State::running;
    display_.say(fmt::format("{} {} ({} steps)", begun ? "goes on" : "started", run.label,
                             run.config.steps - run.first_step));
    redraw();
  }

  // The table on a terminal shows the change at once.
  void redraw() {
    if (options_.terminal) reported_ = {};
  }

  void reap() {
    for (auto child = children_.begin(); child != children_.end();) {
      const std::optional<ProcessEnd> end = child->second.ended();
      if (!end) {
        ++child;
        continue;
      }
      const std::size_t i = child->first;
      child = children_.erase(child);
      settle(i, *end);
      redraw();
    }
  }

  // What became of a run whose process is gone. The trainer's marks say it, if it could write them.
  void settle(std::size_t i, const ProcessEnd& end) {
    Run& run = runs_[i];
    run.state = state_of(path(i));
    run.looked = Clock::now();
    if (run.state.state == State::finished) {
      display_.say(fmt::format("finished {}{}", label(i), loss_text(i)));
      return;
    }
    if (run.state.state != State::failed) {
      if (stop_signals > 0) return;  // as asked
      const std::string said = last_line(path(i) / "log");
      if (end.code == 2 && said.find("is locked by another process") != std::string::npos) {
        run.state.state = State::running;  // by somebody else; looked at again later
        return;
      }
      if (end.code == 1 && was_stopped(i)) {
        run.retired = true;
        display_.say(fmt::format("stopped {}: by a signal from elsewhere", label(i)));
        return;
      }
      note_failure(i, end.code != 0 ? fmt::format("{} ({})", said, end.text()) : end.text());
    }
    display_.say(fmt::format("failed {}: {}; log: {}", label(i), run.state.reason,
                             (path(i) / "log").string()));
  }

  void note_failure(std::size_t i, const std::string& reason) {
    runs_[i].state = {State::failed, reason};
    try {
      mark_failed(path(i), reason);
    } catch (const Error& error) {  // a full disk; the run is failed for this manager at least
      display_.say(error.what());
    }
  }

  bool was_stopped(std::size_t i) const {
    try {
      return record::read_run(path(i) / "run.h5").outcome.status == "stopped";
    } catch (const Error&) {
      return false;
    }
  }

  std::string loss_text(std::size_t i) const {
    const auto mark = nlohmann::json::parse(read_file(path(i) / "finished"), nullptr, false);
    if (!mark.is_object() || !mark.contains("loss") || !mark["loss"].is_number()) return "";
    return fmt::format(", loss {:.4f}", mark["loss"].get<double>());
  }

  void stop_children() {
    display_.say(fmt::format("stopping: {} runs save and stop; the same command goes on later",
                             children_.size()));
    for (const auto& [i, child] : children_) child.terminate();
  }

  SweepEnd end() const {
    SweepEnd end;
    end.interrupted = stop_signals > 0;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const RunState& state = runs_[i].state;
      const bool counts = plan_.runs[i].role != Role::trunk || state.state == State::failed;
      if (!counts) continue;
      ++end.total;
      if (state.state == State::finished) ++end.finished;
      if (state.state == State::failed)
        end.failed.push_back({label(i), state.reason, path(i) / "log"});
      if (is_blocked(i)) {
        const std::size_t trunk = *plan_.runs[i].trunk;
        end.failed.push_back(
            {label(i), "its trunk " + label(trunk) + " failed", path(trunk) / "log"});
      }
    }
    return end;
  }

  void report_start() {
    std::size_t finished = 0, failed = 0;
    for (const Run& run : runs_) {
      finished += run.state.state == State::finished;
      failed += run.state.state == State::failed;
    }
    display_.say(fmt::format("{} runs, {} finished before{}; {} at once", runs_.size(), finished,
                             failed == 0 ? ""
                                         : fmt::format(", {} failed before (--retry-failed trains "
                                                       "them again)",
                                                       failed),
                             options_.jobs));
  }

  // A line for each running run, and the seconds that all need.
  void report_progress() {
    const auto now = Clock::now();
    if (now - reported_ < (options_.terminal ? kDrawPeriod : kLinePeriod)) return;
    reported_ = now;
    std::vector<double> remaining(runs_.size(), 0.0);
    std::size_t finished = 0, failed = 0;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      finished += runs_[i].state.state == State::finished;
      failed += runs_[i].state.state == State::failed;
      if (!is_settled(i) && is_needed(i)) remaining[i] = plan_.runs[i].seconds;
    }
    std::vector<std::string> lines(1);
    for (const auto& [i, child] : children_) lines.push_back(progress_line(i, remaining[i]));
    lines[0] = fmt::format("{}/{} runs finished, {} running, {} failed, {} left", finished,
                           runs_.size(), children_.size(), failed,
                           clock_time(wall_seconds(plan_, remaining, options_.jobs)));
    display_.draw(lines);
  }

  std::string progress_line(std::size_t i, double& remaining) const {
    const PlannedRun& run = plan_.runs[i];
    const std::optional<RunProgress> progress = read_progress(path(i));
    if (!progress) return fmt::format("  {:<32} begins", run.label);
    if (progress->tokens_per_second > 0) {
      remaining =
          static_cast<double>((run.config.steps - progress->step) * run.config.tokens_per_step()) /
          progress->tokens_per_second;
    }
    return fmt::format("  {:<32} step {}/{}  {:.0f} tokens/s  loss {:.4f}  {} left", run.label,
                       progress->step, run.config.steps, progress->tokens_per_second,
                       progress->loss, clock_time(remaining));
  }

  const Plan& plan_;
  const SweepDirectory& directory_;
  const ExecutorOptions& options_;
  std::vector<double> critical_;
  std::vector<Run> runs_;  // as plan_.runs
  std::map<std::size_t, ChildProcess> children_;
  Display display_;
  Clock::time_point reported_ = Clock::now();
};

}  // namespace

SweepEnd run_sweep(const Plan& plan, const SweepDirectory& directory,
                   const ExecutorOptions& options, const std::function<void()>& prepare) {
  const FileLock lock(directory.lock());
  prepare();
  return Manager(plan, directory, options).run();
}

}  // namespace isoflop::experiment
