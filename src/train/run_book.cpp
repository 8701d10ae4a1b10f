#include "train/run_book.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "core/error.hpp"
#include "record/mark.hpp"
#include "record/whole_run.hpp"

namespace isoflop::train {
namespace {

std::vector<record::ProfileRow> profile_rows(const profile::Profile& profile) {
  std::vector<record::ProfileRow> rows;
  const auto& counters = profile.counters();
  for (std::size_t i = 0; i < counters.size(); ++i) {
    rows.push_back(
        {profile::kRegionNames[i], counters[i].seconds, counters[i].calls, counters[i].flops});
  }
  return rows;
}

}  // namespace

RunBook::RunBook(std::filesystem::path path, const config::RunConfig& config, bool is_root)
    : path_(std::move(path)) {
  if (!is_root) return;
  directory_ =
      std::make_unique<RunDirectory>(path_, config::run_id(config), config::run_file(config));
}

// A record that is there is gone on with even where no checkpoint is: what the attempt before cost,
// and why it ended, belongs to the run.
bool RunBook::open(const record::RunFacts& facts, const Resumption& own, std::int64_t step,
                   Progress& progress) {
  if (!directory_) return false;
  directory_->begin();
  const bool is_there = std::filesystem::exists(directory_->record());
  if (!is_there && !own.goes_on) {
    record_ = record::RunRecord::create(directory_->record(), facts);
    record_->event({step, 0.0, "started", facts.layout});
    return true;
  }
  if (!is_there) progress.say("warning: run.h5 is missing; a new one begins here");
  record_ = record::RunRecord::resume(directory_->record(), facts, step);
  previous_seconds_ = record_->previous_seconds();
  for (const std::string& damage : own.damaged)
    record_->event({step, previous_seconds_, "damaged", damage});
  progress.say(own.goes_on ? fmt::format("goes on after step {}", step)
                           : "begins anew: the attempt before left no checkpoint");
  return false;
}

double RunBook::seconds() const {
  return previous_seconds_ + std::chrono::duration<double>(Clock::now() - begin_).count();
}

void RunBook::train(const record::TrainRow& row) {
  if (record_) record_->train(row);
}

void RunBook::event(const record::EventRow& row) {
  if (record_) record_->event(row);
}

void RunBook::go_back(std::int64_t step) {
  if (record_) record_->go_back(step);
}

void RunBook::flush() {
  if (record_) record_->flush();
}

void RunBook::close(record::RunOutcome outcome, const profile::Profile& profile) {
  if (!record_) return;
  outcome.wall_seconds = seconds();
  record_->finish(std::move(outcome), profile_rows(profile));
}

void RunBook::mark_finished(std::int64_t step, double loss) {
  if (directory_) record::mark_finished(path_, step, loss);
}

void RunBook::fail(std::int64_t step, const std::string& reason, const profile::Profile& profile,
                   Progress& progress) {
  if (!directory_) return;
  progress.or_warn("the record lacks its end", [&] {
    event({step, seconds(), "failed", reason});
    close({.status = "failed"}, profile);
  });
  progress.or_warn("the directory has no mark", [&] { record::mark_failed(path_, reason, step); });
}

void require_record(const std::filesystem::path& run_directory, const std::string& run) {
  std::optional<std::string> harm;
  try {
    harm = record::find_harm(run_directory, run);
  } catch (const Error&) {
    return;
  }
  require(
      !harm,
      "{}: is {}, though the run is finished; move {} away and the same command trains it again",
      (run_directory / "run.h5").string(), harm.value_or(""), run_directory.string());
}

}  // namespace isoflop::train
