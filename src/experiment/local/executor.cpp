#include "experiment/local/executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "core/stop_signal.hpp"
#include "core/text.hpp"
#include "experiment/costs.hpp"
#include "experiment/local/child_process.hpp"
#include "experiment/local/display.hpp"
#include "experiment/local/run_board.hpp"
#include "experiment/progress.hpp"
#include "record/mark.hpp"

namespace isoflop::experiment {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPeriod{50}, kLookPeriod{500};
constexpr std::chrono::seconds kDrawPeriod{1};
constexpr std::chrono::seconds kLinePeriod{30};

class Manager {
 public:
  Manager(const Plan& plan, const SweepDirectory& directory, const ExecutorOptions& options,
          const FileLock& lock)
      : plan_(plan),
        directory_(directory),
        options_(options),
        lock_(lock),
        board_(plan, directory, options.retry_failed),
        display_(options.progress) {}

  SweepEnd run() {
    report_start();
    bool told = false;
    for (;;) {
      reap();
      const bool looks = is_time_to_look();
      if (looks) find_out_whether_gone();
      if (looks && !stops()) start_what_can();
      if (stops() && !told) {
        told = true;
        stop_children();
      }
      if (children_.empty() && (stops() || (looks && !board_.is_anything_left()))) break;
      if (stop_.count() > 1) break;  // impatient: the children have their signal
      report_progress();
      std::this_thread::sleep_for(kPeriod);
    }
    display_.draw({});
    require_directory();
    return end();
  }

 private:
  bool stops() const { return stop_.count() > 0 || gone_; }

  // What a run writes under the old name would make a second sweep there.
  void find_out_whether_gone() { gone_ = gone_ || !lock_.is_in_place(); }

  void require_directory() const {
    if (!gone_) return;
    const std::string path = directory_.path().string();
    throw Error(
        fmt::format("{}: was moved or removed while its runs were trained ({} is gone), "
                    "which were stopped; the same command goes on with the directory "
                    "where it is now",
                    path, directory_.lock().string()));
  }

  const std::string& label(std::size_t i) const { return plan_.runs[i].label; }

  // Which runs can start, the checkpoints of their trunks say: hundreds of files, perhaps of a file
  // system that many share. They are looked at when a process has ended, and now and then.
  bool is_time_to_look() {
    const Clock::time_point now = Clock::now();
    if (!ended_ && now - looked_ < kLookPeriod) return false;
    ended_ = false;
    looked_ = now;
    return true;
  }

  void start_what_can() {
    board_.look_at_others(kDrawPeriod);
    while (children_.size() < options_.jobs) {
      const std::optional<std::size_t> next = board_.next();
      if (!next) return;
      start_or_fail(*next);
    }
  }

  // One whose place may not be written does not keep the others from starting. It gets no mark: the
  // next manager tries again.
  void start_or_fail(std::size_t i) {
    try {
      start(i);
    } catch (const std::runtime_error& error) {
      board_.fail(i, error.what());
      display_.say(fmt::format("failed {}: {}", label(i), error.what()));
    }
  }

  void start(std::size_t i) {
    const PlannedRun& run = plan_.runs[i];
    std::error_code failed;
    // in the sweep's directory, which is not made again where it was moved
    std::filesystem::create_directory(board_.path(i).parent_path(), failed);
    if (!failed) std::filesystem::create_directory(board_.path(i), failed);
    if (failed) throw_system_error(board_.path(i), "create", failed.value());
    const std::filesystem::path config = board_.path(i) / "run.toml";
    write_file_atomically(config, config::run_file(run.config));
    std::vector<std::string> arguments{options_.program, "train",   config,   "--out",
                                       board_.path(i),   "--label", run.label};
    const Checkpoint from = board_.trunk_checkpoint(i);
    if (from.steps > 0) arguments.insert(arguments.end(), {"--from", from.path});
    // Several processes with threads bound to cores would all sit on the first ones.
    const std::vector<std::pair<std::string, std::string>> environment{
        {"OMP_NUM_THREADS", std::to_string(run.config.train.threads)}, {"OMP_PROC_BIND", "false"}};
    children_.emplace(i, ChildProcess::start(arguments, environment, board_.path(i) / "log"));
    const bool begun = board_[i].state == State::stopped;
    board_.start(i);
    display_.say(fmt::format("{} {} ({} steps)", begun ? "goes on" : "started", run.label,
                             run.config.steps - run.first_step));
    redraw();
  }

  // The table on a terminal shows the change at once.
  void redraw() {
    if (display_.is_terminal()) reported_ = {};
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
      ended_ = true;
      settle(i, *end);
      redraw();
    }
  }

  // What became of a run whose process is gone. The trainer's marks say it, if it could write them.
  void settle(std::size_t i, const ProcessEnd& end) {
    find_out_whether_gone();
    if (gone_) return;
    board_.look_at(i);
    if (board_[i].state == State::finished) {
      display_.say(fmt::format("finished {}{}", label(i), loss_text(i)));
      return;
    }
    if (board_[i].state != State::failed) {
      if (stop_.count() > 0) return;  // as asked
      const std::string said = last_line(board_.path(i) / "log");
      if (end.code == kLockedExitCode) {
        board_.leave_to_others(i);
        return;
      }
      if (end.code == kStoppedExitCode) {
        board_.retire(i);
        display_.say(fmt::format("stopped {}: by a signal from elsewhere", label(i)));
        return;
      }
      note_failure(i, end.code != 0 ? fmt::format("{} ({})", said, end.text()) : end.text());
    }
    display_.say(fmt::format("failed {}: {}; log: {}", label(i), board_[i].reason,
                             (board_.path(i) / "log").string()));
  }

  // For a trainer that could not write the mark itself.
  void note_failure(std::size_t i, const std::string& reason) {
    board_.fail(i, reason);
    try {
      record::mark_failed(board_.path(i), reason);
    } catch (const Error& error) {  // a full disk; the run is failed for this manager at least
      display_.say(error.what());
    }
  }

  std::string loss_text(std::size_t i) const {
    const auto mark = nlohmann::json::parse(read_file(board_.path(i) / "finished"), nullptr, false);
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
    end.interrupted = stop_.count() > 0;
    end.runs = board_.tally();
    for (std::size_t i = 0; i < board_.size(); ++i) {
      const RunState& state = board_[i];
      if (state.state == State::failed)
        end.failed.push_back({label(i), state.reason, board_.path(i) / "log"});
      if (board_.is_blocked(i)) {
        const std::size_t trunk = *plan_.runs[i].trunk;
        end.failed.push_back(
            {label(i), "its trunk " + label(trunk) + " failed", board_.path(trunk) / "log"});
      }
    }
    return end;
  }

  void report_start() {
    const Tally runs = board_.tally();
    display_.say(fmt::format("{} runs, {} finished before{}; {} at once", runs.total, runs.finished,
                             runs.failed == 0
                                 ? ""
                                 : fmt::format(", {} failed before (--retry-failed trains "
                                               "again those that did not finish)",
                                               runs.failed),
                             options_.jobs));
  }

  // A line for each running run, and the seconds that all need.
  void report_progress() {
    const auto now = Clock::now();
    if (now - reported_ < (display_.is_terminal() ? kDrawPeriod : kLinePeriod)) return;
    reported_ = now;
    std::vector<double> remaining(board_.size(), 0.0);
    for (std::size_t i = 0; i < board_.size(); ++i) {
      if (!board_.is_settled(i) && board_.is_needed(i)) remaining[i] = plan_.runs[i].seconds;
    }
    std::vector<std::string> lines(1);
    for (const auto& [i, child] : children_) lines.push_back(progress_line(i, remaining[i]));
    const Tally runs = board_.tally();
    lines[0] = fmt::format("{}/{} runs finished, {} running, {} failed, {} left", runs.finished,
                           runs.total, children_.size(), runs.failed,
                           clock_time(wall_seconds(plan_, remaining, options_.jobs)));
    display_.draw(lines);
  }

  std::string progress_line(std::size_t i, double& remaining) const {
    const PlannedRun& run = plan_.runs[i];
    const std::optional<RunProgress> progress = read_progress(board_.path(i));
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
  const FileLock& lock_;
  bool gone_ = false;  // the directory
  StopSignal stop_;    // first: the board reads the records of all runs
  RunBoard board_;
  std::map<std::size_t, ChildProcess> children_;
  Display display_;
  bool ended_ = true;  // a process, since the disk was looked at; none has begun yet
  Clock::time_point looked_, reported_ = Clock::now();
};

}  // namespace

SweepEnd run_sweep(const Plan& plan, const SweepDirectory& directory,
                   const ExecutorOptions& options, const std::function<void()>& prepare) {
  const FileLock lock(directory.lock());
  remove_partial_files(directory.path());
  prepare();
  return Manager(plan, directory, options, lock).run();
}

}  // namespace isoflop::experiment
