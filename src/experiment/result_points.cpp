#include "experiment/result_points.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>

#include "core/error.hpp"
#include "experiment/training_curve.hpp"
#include "record/run_reader.hpp"

namespace isoflop::experiment {
namespace {

constexpr std::size_t kPointsOfCurve = 200;

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

laws::Points empty_points(bool counts_embeddings, const std::string& source, FlopsKind flops) {
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
  return points;
}

/// Nats a token of two tokenizers are two units. Another context is the same unit, but another
/// task.
void look_for_mixtures(const record::ResultRow& row, const record::ResultRow& first,
                       laws::Points& points) {
  require(
      row.vocabulary == first.vocabulary,
      "{}: run {} has a vocabulary of {}, run {} one of {}: nats/token of two tokenizers do not "
      "go into one fit; give a CSV of bits_per_byte",
      points.source, first.run, first.vocabulary, row.run, row.vocabulary);
  const std::string note =
      fmt::format("runs of context {} and {} are fitted together", first.context, row.context);
  if (row.context != first.context && std::ranges::find(points.notes, note) == points.notes.end())
    points.notes.push_back(note);
}

/// Calls use(row, record) for every run that a fit may see and names the others in `points`. The
/// record is empty when it is gone.
template <class Use>
void for_usable_runs(const record::Results& results, const FindRecord& find_record,
                     laws::Points& points, const Use& use) {
  std::size_t gone = 0;
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
    if (first == nullptr) first = &row;
    look_for_mixtures(row, *first, points);
    use(row, data);
  }
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
  laws::Points points = empty_points(counts_embeddings, source, flops);
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
  laws::Points points = empty_points(counts_embeddings, source, FlopsKind::six_nd);
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
