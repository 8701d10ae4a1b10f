#include "record/run_record.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "core/error.hpp"
#include "record/row_group.hpp"
#include "record/run_reader.hpp"
#include "record/run_writer.hpp"

namespace isoflop::record {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kManyRows = 512;
constexpr std::chrono::seconds kFlushInterval{2};
constexpr const char* kResumed = "resumed";

/// The file and its columns, which go together: columns are closed first.
struct OpenFile {
  hdf5::File file;
  RowGroup<TrainRow> train;
  std::map<std::string, RowGroup<EvalRow>> eval;
  RowGroup<EventRow> events;
  RowGroup<ProfileRow> profile;
  RowGroup<RunOutcome> summary;

  OpenFile(const std::filesystem::path& path, const RunData& data)
      : file(hdf5::File::open(path, hdf5::Access::swmr_write)),
        train(RowGroup<TrainRow>::open(file, "/train")),
        events(RowGroup<EventRow>::open(file, "/events")),
        profile(RowGroup<ProfileRow>::open(file, "/profile")),
        summary(RowGroup<RunOutcome>::open(file, "/summary")) {
    for (const auto& [set, rows] : data.eval)
      eval.emplace(set, RowGroup<EvalRow>::open(file, "/eval/" + set));
  }

  std::size_t pending() const {
    std::size_t count = train.pending() + events.pending() + profile.pending();
    for (const auto& [set, rows] : eval) count += rows.pending();
    return count;
  }

  void write_and_flush() {
    // A row takes at most 384 bytes with its share of page ends; a new page for every column
    // besides.
    file.reserve(pending() * 512 + 300'000);
    train.write();
    for (auto& [set, rows] : eval) rows.write();
    events.write();
    profile.write();
    summary.overwrite();
    file.flush();
  }
};

template <class Row>
void drop_after(std::vector<Row>& rows, std::int64_t step) {
  std::erase_if(rows, [&](const Row& row) { return row.step > step; });
}

void drop_rows_after(RunData& data, std::int64_t step) {
  drop_after(data.train, step);
  for (auto& [set, rows] : data.eval) drop_after(rows, step);
}

double last_seconds(const RunData& data) {
  double seconds = data.outcome.wall_seconds;
  for (const TrainRow& row : data.train) seconds = std::max(seconds, row.seconds);
  for (const EventRow& row : data.events) seconds = std::max(seconds, row.seconds);
  return seconds;
}

RunData empty_record(const RunFacts& facts, const std::vector<std::string>& eval_sets) {
  RunData data;
  data.facts = facts;
  for (const std::string& set : eval_sets) data.eval[set] = {};
  return data;
}

RunData read_before(const std::filesystem::path& path, std::int64_t step) {
  try {
    return read_run(path);
  } catch (const Unusable& error) {  // others, of opening it, say what to do themselves
    throw InputError(fmt::format(
        "{}; move {} away: the same command then goes on after step {} with a new record",
        error.what(), path.string(), step));
  }
}

}  // namespace

struct RunRecord::State {
  std::filesystem::path path;
  std::optional<OpenFile> open;  // empty once finished or broken
  Clock::time_point flushed = Clock::now();
  std::map<std::string, EvalRow> last_evaluation;  // by set
  std::int64_t restarts = 0;
  double previous_seconds = 0;

  OpenFile& writable() {
    if (!open)
      throw Error(path.string() + ": the record was closed, or could not be written before");
    return *open;
  }

  // The file holds `data`.
  void begin(const RunData& data) {
    last_evaluation.clear();
    for (const auto& [set, rows] : data.eval) {
      if (!rows.empty()) last_evaluation[set] = rows.back();
    }
    open.emplace(path, data);
  }

  void flush() {
    OpenFile& file = writable();
    try {
      file.write_and_flush();
    } catch (...) {
      file.file.abandon();
      open.reset();
      throw;
    }
    flushed = Clock::now();
  }
};

RunRecord::RunRecord(std::unique_ptr<State> state) : state_(std::move(state)) {}
RunRecord::RunRecord(RunRecord&&) noexcept = default;
RunRecord& RunRecord::operator=(RunRecord&&) noexcept = default;

RunRecord::~RunRecord() {
  if (!state_ || !state_->open) return;
  try {
    state_->flush();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
}

RunRecord RunRecord::start(const std::filesystem::path& path, const RunData& data) {
  write_run(path, data);
  auto state = std::make_unique<State>();
  state->path = path;
  state->begin(data);
  state->restarts = std::count_if(data.events.begin(), data.events.end(),
                                  [](const EventRow& row) { return row.kind == kResumed; });
  return RunRecord(std::move(state));
}

RunRecord RunRecord::create(const std::filesystem::path& path, const RunFacts& facts,
                            const std::vector<std::string>& eval_sets) {
  return start(path, empty_record(facts, eval_sets));
}

RunRecord RunRecord::resume(const std::filesystem::path& path, const RunFacts& facts,
                            std::int64_t step) {
  const bool is_lost = !std::filesystem::exists(path);
  RunData data = is_lost ? empty_record(facts, {"validation"}) : read_before(path, step);
  require(data.facts.run == facts.run,
          "{}: this is the record of run {}, not of {}; give another run directory", path.string(),
          data.facts.run, facts.run);
  const double seconds = last_seconds(data);
  data.facts = facts;
  data.outcome = {};
  data.profile.clear();
  drop_rows_after(data, step);
  data.events.push_back({step, seconds, kResumed,
                         fmt::format("after step {}, {}{}", step, facts.layout,
                                     is_lost ? "; the record of the steps before is lost" : "")});
  RunRecord record = start(path, data);
  record.state_->previous_seconds = seconds;
  return record;
}

std::int64_t RunRecord::restarts() const { return state_->restarts; }
double RunRecord::previous_seconds() const { return state_->previous_seconds; }

void RunRecord::train(const TrainRow& row) {
  state_->writable().train.add(row);
  flush_when_due();
}

void RunRecord::evaluation(const std::string& set, const EvalRow& row) {
  auto& sets = state_->writable().eval;
  const auto found = sets.find(set);
  require(found != sets.end(), "{}: \"{}\" is no evaluation set of this run", state_->path.string(),
          set);
  found->second.add(row);
  state_->last_evaluation[set] = row;
  flush_when_due();
}

std::optional<EvalRow> RunRecord::last_evaluation(const std::string& set) const {
  const auto found = state_->last_evaluation.find(set);
  return found == state_->last_evaluation.end() ? std::nullopt : std::optional(found->second);
}

void RunRecord::event(const EventRow& row) {
  EventRow fitting = row;
  fitting.text = hdf5::cut_text(row.text, 256);
  state_->writable().events.add(fitting);
  flush_when_due();
}

void RunRecord::go_back(std::int64_t step) {
  flush();
  state_->open.reset();
  RunData data = read_run(state_->path);
  drop_rows_after(data, step);
  write_run(state_->path, data);
  state_->begin(data);
}

void RunRecord::flush_when_due() {
  if (state_->open->pending() >= kManyRows || Clock::now() - state_->flushed >= kFlushInterval)
    flush();
}

void RunRecord::flush() { state_->flush(); }

void RunRecord::finish(RunOutcome outcome, const std::vector<ProfileRow>& profile) {
  OpenFile& open = state_->writable();
  outcome.restarts = state_->restarts;
  open.summary.add(outcome);
  for (const ProfileRow& row : profile) open.profile.add(row);
  state_->flush();
  state_->open.reset();
  // SWMR forbids to touch attributes, so the file with the final ones is written anew.
  write_run(state_->path, read_run(state_->path));
}

}  // namespace isoflop::record
