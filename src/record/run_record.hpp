// The record of a run while it trains: run.h5, written by one process, readable by others all the
// time (h5py: swmr=True) and after kill -9 at any moment, when at most the rows since the last
// flush are lost.
//
//   auto record = RunRecord::create(path, facts);          // or resume(path, facts, step)
//   record.train({...}); record.evaluation("validation", {...}); record.flush();
//   record.finish(outcome, profile);
//
// Rows wait in memory; they are written when many wait, when the last flush was seconds ago, at
// flush() and at the end. Errors: InputError for a full disk, Error otherwise, naming the path;
// afterwards the file holds what was flushed before and takes no more rows. Used by one thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "record/run_data.hpp"

namespace isoflop::record {

class RunRecord {
 public:
  /// A new record; what was at `path` is gone. All evaluation sets must be named here.
  static RunRecord create(const std::filesystem::path& path, const RunFacts& facts,
                          const std::vector<std::string>& eval_sets = {"validation"});

  /// Continues the record of a run that ended in whatever way: rows of steps after `step` are
  /// dropped, events stay and get a further one of kind "resumed". `facts` are those of this
  /// attempt (ranks may differ); InputError when facts.run is another run or the file cannot be
  /// read. Without a file there a new record begins, with that event.
  static RunRecord resume(const std::filesystem::path& path, const RunFacts& facts,
                          std::int64_t step);

  /// Flushes what waits; an error at this point goes to stderr.
  ~RunRecord();
  RunRecord(RunRecord&&) noexcept;
  RunRecord& operator=(RunRecord&&) noexcept;

  void train(const TrainRow& row);
  /// InputError for a set that was not named at creation.
  void evaluation(const std::string& set, const EvalRow& row);
  /// The last evaluation on `set` that the record holds; nothing: there is none.
  std::optional<EvalRow> last_evaluation(const std::string& set) const;
  /// Kind: at most 32 bytes; a text longer than 256 bytes is cut.
  void event(const EventRow& row);

  /// The run goes back to the state after `step`: rows of later steps are dropped, events stay.
  void go_back(std::int64_t step);

  /// Readers see all rows afterwards.
  void flush();

  /// Writes the outcome (its `restarts` is counted here) and the profile, and closes for good.
  void finish(RunOutcome outcome, const std::vector<ProfileRow>& profile = {});

  /// How often the run was resumed.
  std::int64_t restarts() const;
  /// Training time spent before this attempt, the dropped rows' included: `seconds` of rows go on
  /// from here.
  double previous_seconds() const;

 private:
  struct State;
  explicit RunRecord(std::unique_ptr<State> state);
  static RunRecord start(const std::filesystem::path& path, const RunData& data);
  void flush_when_due();

  std::unique_ptr<State> state_;
};

}  // namespace isoflop::record
