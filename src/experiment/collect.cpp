#include "experiment/collect.hpp"

#include <fmt/format.h>

#include <limits>
#include <optional>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_lock.hpp"
#include "experiment/result_points.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/law/law.hpp"
#include "record/run_reader.hpp"
#include "record/run_writer.hpp"

namespace isoflop::experiment {
namespace {

record::ResultRow row_of(const PlannedRun& run, State state, const record::RunData& data) {
  const config::RunConfig& c = run.config;
  record::ResultRow row;
  row.run = run.id;
  row.label = run.label;
  row.role = name_of(run.role);
  row.status = name_of(state);
  row.n_total = run.n_total;
  row.n_non_embedding = run.n_non_embedding;
  row.tokens = c.tokens();
  row.d_unique = run.d_unique;
  row.epochs = run.epochs();
  row.flops_6nd = run.flops_6nd();
  row.flops_exact = run.flops_exact();
  const bool finished = state == State::finished;
  row.loss = finished ? data.outcome.final_loss : std::numeric_limits<double>::quiet_NaN();
  row.bits_per_byte =
      finished ? data.outcome.final_bits_per_byte : std::numeric_limits<double>::quiet_NaN();
  row.seconds = data.outcome.wall_seconds;
  row.budget = run.budget;
  row.layers = static_cast<std::int64_t>(c.model.layers);
  row.width = static_cast<std::int64_t>(c.model.width);
  row.heads = static_cast<std::int64_t>(c.model.heads);
  row.context = static_cast<std::int64_t>(c.model.context);
  row.vocabulary = static_cast<std::int64_t>(c.model.vocabulary);
  row.global_batch = c.train.global_batch;
  row.micro_batch = c.train.micro_batch;
  row.steps = c.steps;
  row.learning_rate = c.optimizer.learning_rate;
  row.schedule = c.schedule.kind == optim::ScheduleKind::wsd ? "wsd" : "cosine";
  row.precision = config::name_of(c.train.precision);
  row.seed = c.train.seed;
  row.peak_memory_bytes = data.outcome.peak_memory_bytes;
  row.restarts = data.outcome.restarts;
  row.data_fingerprint = data.facts.data_fingerprint;
  return row;
}

// Holds the run's lock meanwhile: a trainer that began to write would lose its rows.
void mend_unless_trained(const std::filesystem::path& folder) {
  if (is_locked(folder)) return;
  std::optional<FileLock> lock;
  try {
    lock.emplace(folder / "lock");
  } catch (const Locked&) {
    return;  // it is being trained
  }
  record::mend_run(folder / "run.h5");
}

std::string fit_name(const std::string& law, const std::string& method) {
  return method.empty() ? law : fmt::format("{}-{}", law, method);
}

// A fit that cannot be made any more, or a target that is trained again, must not leave its old
// figures beside the new results. Fits that the manifest does not ask for are the user's own.
void remove_stale(const SweepDirectory& directory, const Collection& collection) {
  if (!collection.target || !collection.target->measured)
    std::filesystem::remove(directory.prediction());
  for (const MissingFit& missing : collection.missing)
    std::filesystem::remove(directory.fit(missing.name));
}

// InputError naming the run when its record is damaged or another's: that of one that has not
// finished, which goes on from its checkpoint without it.
record::RunData record_of(const PlannedRun& run, const std::filesystem::path& folder, State state) {
  const std::filesystem::path file = folder / "run.h5";
  const std::string advice =
      fmt::format("move {} away and isoflop sweep run{} goes on without it", file.string(),
                  state == State::failed ? " --retry-failed" : "");
  try {
    mend_unless_trained(folder);
    record::RunData data = record::read_run(file);
    require(data.facts.run == run.id, "run {}: its record is of run {}, needed {}; {}", run.label,
            data.facts.run, run.id, advice);
    return data;
  } catch (const record::Damaged& error) {
    throw InputError(
        fmt::format("run {}: its record cannot be read: {}; {}", run.label, error.what(), advice));
  }
}

// A row for every run that has a record; the others are named in `without_record`.
record::Results collect_results(const Plan& plan, const SweepDirectory& directory,
                                std::vector<std::string>& without_record) {
  record::Results results;
  results.sweep = plan.study;
  for (const PlannedRun& run : plan.runs) {
    const std::filesystem::path folder = directory.run(run.id);
    const RunState state = state_of(folder, run.id);
    require(!state.is_lost, "run {}: {}", run.label, state.reason);
    if (!std::filesystem::exists(folder / "run.h5")) {
      without_record.push_back(run.label);
      continue;
    }
    results.rows.push_back(row_of(run, state.state, record_of(run, folder, state.state)));
  }
  require(!results.rows.empty(), "{}: has no run yet, needed some; isoflop sweep run trains them",
          directory.path().string());
  results.data_fingerprint = results.rows.front().data_fingerprint;
  return results;
}

FindRecord records_in(const SweepDirectory& directory) {
  return [&directory](const std::string& run) -> std::optional<record::RunData> {
    const std::filesystem::path file = directory.run(run) / "run.h5";
    if (!std::filesystem::exists(file)) return std::nullopt;
    return record::read_run(file);
  };
}

void fit_all(const FitRequest& request, const SweepDirectory& directory, Collection& collection) {
  const std::string source = directory.results().string();
  const FindRecord find_record = records_in(directory);
  for (const auto& [law_name, method] : fits_of(request)) {
    const std::string name = fit_name(law_name, method);
    try {
      const bool embeddings = laws::counts_embeddings(law_name);
      const laws::Points points =
          laws::reads_curves(law_name) ? schedules_of(collection.results, source, find_record)
          : method == "approach1" ? curves_of(collection.results, embeddings, source, find_record)
                                  : points_of(collection.results, embeddings, source, find_record);
      laws::FitOptions options;
      options.law = law_name;
      options.method = method;
      options.huber_delta = request.huber_delta;
      options.bootstrap = static_cast<std::size_t>(request.bootstrap);
      options.seed = static_cast<std::uint64_t>(request.seed);
      options.level = request.level;
      options.details = true;
      collection.fits.push_back({name, laws::fit(points, options)});
    } catch (const InputError& error) {
      collection.missing.push_back({name, error.what()});
    }
  }
}

const PlannedRun* target_of(const Plan& plan) {
  for (const PlannedRun& run : plan.runs) {
    if (run.role == Role::target) return &run;
  }
  return nullptr;
}

// The loss of the target itself; none before it has finished.
std::optional<double> measured_loss(const PlannedRun& target, const record::Results& results) {
  for (const record::ResultRow& row : results.rows) {
    if (row.run == target.id && row.status == "finished") return row.loss;
  }
  return std::nullopt;
}

// Every file at once and what is stale last: a collection that fails leaves the one before.
void write(const SweepDirectory& directory, const Collection& collection) {
  record::write_results(directory.results(), collection.results);
  for (const NamedFit& fit : collection.fits)
    write_file_atomically(directory.fit(fit.name), laws::to_json(fit.fit));
  if (collection.target && collection.target->measured)
    write_file_atomically(directory.prediction(), prediction_json(*collection.target));
  remove_stale(directory, collection);
}

// The fit that the manifest names, or the first that can predict.
std::optional<TargetCheck> predict_target(const FitRequest& request, const PlannedRun& run,
                                          Collection& collection) {
  for (const NamedFit& fit : collection.fits) {
    if (!request.predict.empty() && fit.name != request.predict) continue;
    try {
      auto check = check_target(run, fit.name, fit.fit, request.level, collection.results);
      collection.no_prediction.clear();
      return check;
    } catch (const InputError& error) {  // an envelope gives no loss at any N and D
      collection.no_prediction = fmt::format("{}: {}", fit.name, error.what());
    }
  }
  return std::nullopt;
}

}  // namespace

Collection collect(const Manifest& manifest, const Plan& plan, const SweepDirectory& directory) {
  Collection collection;
  collection.results = collect_results(plan, directory, collection.without_record);
  if (manifest.fit) {
    fit_all(*manifest.fit, directory, collection);
    const PlannedRun* target = target_of(plan);
    if (target != nullptr) collection.target = predict_target(*manifest.fit, *target, collection);
    if (collection.target) collection.target->measured = measured_loss(*target, collection.results);
  }
  write(directory, collection);
  return collection;
}

}  // namespace isoflop::experiment
