#include "experiment/result_points.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>
#include <span>

#include "core/error.hpp"
#include "experiment/training_curve.hpp"
#include "record/run_reader.hpp"

namespace isoflop::experiment {
namespace {

constexpr std::size_t kPointsOfCurve = 200;
constexpr const char* kValidation = "validation";  // final losses: what the corpus keeps back
constexpr const char* kTraining = "training";      // losses along the way

double params_of(const record::ResultRow& row, bool counts_embeddings) {
  return static_cast<double>(counts_embeddings ? row.n_total : row.n_non_embedding);
}

/// What runs under the warm-up-stable-decay schedule share until the first of them decays; empty
/// for another schedule.
std::string trunk_of(const record::ResultRow& row) {
  if (row.schedule != "wsd") return "";
  return fmt::format("{}", fmt::join({row.n_total, row.layers, row.width, row.heads, row.context,
                                      row.global_batch, row.micro_batch, row.seed},
                                     " ")) +
         fmt::format(" {} {} {}", row.learning_rate, row.precision, row.data_fingerprint);
}

/// Runs of one trunk, trained as its branches or alone, have one history: they are one group. No
/// groups where no two runs share a trunk.
void group_by_trunk(const std::vector<std::string>& trunks, laws::Points& points) {
  std::map<std::string, std::vector<std::size_t>> rows_of;
  for (std::size_t i = 0; i < trunks.size(); ++i)
    if (!trunks[i].empty()) rows_of[trunks[i]].push_back(i);
  std::vector<std::string> groups(trunks.size());
  std::size_t shared = 0;
  for (const auto& [trunk, rows] : rows_of) {
    if (rows.size() < 2) continue;
    ++shared;
    for (const std::size_t i : rows) groups[i] = "trunk of " + points.name[rows.front()];
  }
  if (shared == 0) return;
  points.group = std::move(groups);
  points.notes.push_back(
      fmt::format("{} trunks are shared by several runs: those are drawn together", shared));
}

laws::Points empty_points(bool counts_embeddings, const std::string& source, FlopsKind flops,
                          const char* evaluation) {
  laws::Points points;
  points.source = source;
  const char* params = counts_embeddings ? "n_total" : "n_non_embedding";
  const bool exact = flops == FlopsKind::exact;
  points.notes.push_back(fmt::format(
      "params counts {} ({}), flops is {}", counts_embeddings ? "all parameters" : "no embeddings",
      params,
      exact ? "that of every operation (flops_exact)" : fmt::format("6 {} tokens", params)));
  points.conventions = {counts_embeddings ? "total" : "non-embedding", exact ? "exact" : "6nd",
                        "nats", ""};
  points.conventions.evaluation = evaluation;
  return points;
}

/// Losses on another text, of another tokenizer or context are no points of one law.
void require_same_loss(const record::ResultRow& row, const record::ResultRow& first,
                       const std::string& source) {
  const auto check = [&](const char* column, const auto& seen, const auto& known) {
    require(seen == known,
            "{}: {}: run {} has {}, run {} has {}: their losses do not go into one fit; collect "
            "them in two sweeps, or give a CSV with the runs of one",
            source, column, first.run, known, row.run, seen);
  };
  check("vocabulary", row.vocabulary, first.vocabulary);
  check("data_fingerprint", row.data_fingerprint, first.data_fingerprint);
  check("context", row.context, first.context);
}

void state_loss(const record::ResultRow& row, laws::Conventions& conventions) {
  conventions.tokenizer = fmt::format("vocabulary {}", row.vocabulary);
  conventions.data = row.data_fingerprint;
  conventions.context = fmt::format("{}", row.context);
}

/// A run that went on from a checkpoint should be as one that never stopped: who doubts a point
/// looks here first.
void note_restarts(const std::vector<std::string>& restarted, std::size_t runs,
                   laws::Points& points) {
  constexpr std::size_t kNamed = 10;
  if (restarted.empty()) return;
  const auto named = std::span(restarted).first(std::min(kNamed, restarted.size()));
  std::string note = fmt::format("{} of {} runs went on after a restart: {}", restarted.size(),
                                 runs, fmt::join(named, ", "));
  if (restarted.size() > kNamed) note += fmt::format(" and {} more", restarted.size() - kNamed);
  points.notes.push_back(std::move(note));
}

/// Calls use(row, record), which may leave it out too, for every run that a fit may see and names
/// the others in `points`. The
/// record is empty when it is gone.
template <class Use>
void for_usable_runs(const record::Results& results, const FindRecord& find_record,
                     laws::Points& points, const Use& use) {
  std::size_t gone = 0;
  std::size_t used = 0;
  std::vector<std::string> restarted;
  const record::ResultRow* first = nullptr;
  for (const record::ResultRow& row : results.rows) {
    if (row.role != "fit") {
      points.left_out.push_back({row.run, "it is a " + row.role + " of the sweep: no fit sees it"});
      continue;
    }
    if (row.status != "finished") {
      points.left_out.push_back({row.run, "its status is " + row.status});
      continue;
    }
    const std::optional<record::RunData> data = find_record(row.run);
    gone += !data;
    const std::string trouble = data ? curve_trouble(data->train) : "";
    if (!trouble.empty()) {
      points.left_out.push_back({row.run, trouble});
      continue;
    }
    if (first == nullptr) {
      first = &row;
      state_loss(row, points.conventions);
    }
    require_same_loss(row, *first, points.source);
    const std::size_t left_out = points.left_out.size();
    use(row, data);
    if (points.left_out.size() > left_out) continue;
    ++used;
    if (row.restarts > 0) restarted.push_back(row.run);
  }
  note_restarts(restarted, used, points);
  if (gone > 0)
    points.notes.push_back(fmt::format(
        "{} runs have no run.h5 where the results link to: not looked at for loss spikes and "
        "constant learning rates",
        gone));
}

void require_some(const laws::Points& points) {
  require(points.size() > 0, "{}: no finished run to fit: isoflop sweep status shows why",
          points.source);
}

}  // namespace

FindRecord linked_records_of(const std::string& path) {
  const auto records = record::linked_records(path);
  return [records](const std::string& run) -> std::optional<record::RunData> {
    const auto found = records.find(run);
    if (found == records.end() || !std::filesystem::exists(found->second)) return std::nullopt;
    return record::read_run(found->second);
  };
}

laws::Points points_of(const record::Results& results, bool counts_embeddings,
                       const std::string& source, const FindRecord& find_record, FlopsKind flops) {
  laws::Points points = empty_points(counts_embeddings, source, flops, kValidation);
  std::vector<std::string> trunks;
  for_usable_runs(
      results, find_record, points, [&](const record::ResultRow& row, const auto& data) {
        trunks.push_back(trunk_of(row));
        points.params.push_back(params_of(row, counts_embeddings));
        points.tokens.push_back(static_cast<double>(row.tokens));
        points.loss.push_back(row.loss);
        if (flops == FlopsKind::exact) points.flops.push_back(row.flops_exact);
        points.steps.push_back(static_cast<double>(row.steps));
        points.batch.push_back(static_cast<double>(row.global_batch * row.context));
        points.unique_tokens.push_back(static_cast<double>(row.d_unique));
        points.learning_rate.push_back(row.learning_rate);
        points.stage.push_back(data && ends_at_its_peak(data->train) ? "constant-lr" : "final");
        points.name.push_back(row.run);
      });
  // a column that some run has no value for (0 in its row) is left out for all
  for (auto* column : {&points.steps, &points.batch, &points.unique_tokens, &points.learning_rate})
    if (std::ranges::find(*column, 0.0) != column->end()) column->clear();
  require_some(points);
  group_by_trunk(trunks, points);
  return points;
}

laws::Points curves_of(const record::Results& results, bool counts_embeddings,
                       const std::string& source, const FindRecord& find_record) {
  laws::Points points = empty_points(counts_embeddings, source, FlopsKind::six_nd, kTraining);
  points.notes.push_back("points are the training losses along every run, after its warmup");
  for_usable_runs(
      results, find_record, points, [&](const record::ResultRow& row, const auto& data) {
        if (!data || data->train.empty()) {
          points.left_out.push_back({row.run, "its record has no training loss"});
          return;
        }
        for (const LossAtTokens& point : smoothed_curve(data->train, kPointsOfCurve)) {
          points.params.push_back(params_of(row, counts_embeddings));
          points.tokens.push_back(point.tokens);
          points.loss.push_back(point.loss);
          points.group.push_back(row.run);
          points.name.push_back(fmt::format("{} at {:.4g} tokens", row.run, point.tokens));
        }
      });
  require_some(points);
  return points;
}

laws::Points schedules_of(const record::Results& results, const std::string& source,
                          const FindRecord& find_record) {
  laws::Points points;
  points.source = source;
  points.conventions.evaluation = kTraining;
  points.notes.push_back("points are the training losses and learning rates of every step");
  for_usable_runs(results, find_record, points,
                  [&](const record::ResultRow& row, const auto& data) {
                    if (!data || data->train.empty()) {
                      points.left_out.push_back({row.run, "its record has no training loss"});
                      return;
                    }
                    for (const record::TrainRow& step : data->train) {
                      points.steps.push_back(static_cast<double>(step.step));
                      points.learning_rate.push_back(step.lr);
                      points.loss.push_back(step.loss);
                      points.group.push_back(row.run);
                      points.name.push_back(fmt::format("{} step {}", row.run, step.step));
                    }
                  });
  require_some(points);
  return points;
}

}  // namespace isoflop::experiment
