// What is kept of a run while it trains: its directory, its record and, at the end, its mark. The
// root keeps all of it; on other ranks every call does nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "config/run_config.hpp"
#include "profile/profile.hpp"
#include "record/run_record.hpp"
#include "train/progress.hpp"
#include "train/run_directory.hpp"
#include "train/snapshot.hpp"

namespace isoflop::train {

class RunBook {
 public:
  /// Takes the directory, see RunDirectory.
  RunBook(std::filesystem::path path, const config::RunConfig& config, bool is_root);

  const std::filesystem::path& path() const { return path_; }

  /// From here on nothing is refused. Begins the record after `step` steps, or goes on with the one
  /// that is there, and says so. True: it begins.
  bool open(const record::RunFacts& facts, const Resumption& own, std::int64_t step,
            Progress& progress);

  /// Null on other ranks, and before it is open.
  record::RunRecord* record() { return record_ ? &*record_ : nullptr; }

  /// Of training, over all restarts.
  double seconds() const;

  void train(const record::TrainRow& row);
  void event(const record::EventRow& row);
  void go_back(std::int64_t step);
  void flush();

  /// Closes the record. `outcome` without its seconds.
  void close(record::RunOutcome outcome, const profile::Profile& profile);
  void mark_finished(std::int64_t step, double loss);

  /// Record and mark of a run that failed in `step`. What goes wrong meanwhile is said, not thrown.
  void fail(std::int64_t step, const std::string& reason, const profile::Profile& profile,
            Progress& progress);

 private:
  using Clock = std::chrono::steady_clock;

  std::filesystem::path path_;
  std::unique_ptr<RunDirectory> directory_;  // root only
  std::optional<record::RunRecord> record_;  // root only
  Clock::time_point begin_ = Clock::now();
  double previous_seconds_ = 0.0;
};

/// InputError when the directory of the finished `run` has lost its record. What the system does
/// not read may be whole.
void require_record(const std::filesystem::path& run_directory, const std::string& run);

}  // namespace isoflop::train
