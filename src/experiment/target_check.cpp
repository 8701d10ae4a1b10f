#include "experiment/target_check.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/version.hpp"
#include "experiment/result_points.hpp"
#include "experiment/sweep_directory.hpp"
#include "laws/json/json_parts.hpp"
#include "laws/law/law.hpp"

namespace isoflop::experiment {
namespace {

// All that a law of the loss may read, as points_of has it.
laws::RunSize size_of(const record::ResultRow& row, const laws::Fit& fit) {
  laws::RunSize size;
  size.params =
      static_cast<double>(laws::counts_embeddings(fit) ? row.n_total : row.n_non_embedding);
  size.tokens = static_cast<double>(row.tokens);
  if (row.steps > 0) size.steps = static_cast<double>(row.steps);
  if (row.d_unique > 0) size.unique_tokens = static_cast<double>(row.d_unique);
  return size;
}

// The run cut off, or going on, at `tokens`. Of a mixture whose sources repeat at different times
// the different tokens before its end are fewer than said here.
laws::RunSize size_at(const PlannedRun& run, double tokens, const laws::Fit& fit) {
  laws::RunSize size;
  size.params =
      static_cast<double>(laws::counts_embeddings(fit) ? run.n_total : run.n_non_embedding);
  size.tokens = tokens;
  size.steps = tokens / static_cast<double>(run.config.tokens_per_step());
  const bool repeats = run.d_unique < run.config.tokens();
  size.unique_tokens = repeats ? std::min(tokens, static_cast<double>(run.d_unique)) : tokens;
  return size;
}

// From the least value over `margin` to the largest times it.
std::vector<double> log_spaced(const std::vector<double>& values, double margin,
                               std::size_t count) {
  const auto [least, largest] = std::ranges::minmax(values);
  const double low = least / margin, ratio = largest * margin / low;
  std::vector<double> spaced;
  for (std::size_t i = 0; i < count; ++i)
    spaced.push_back(low *
                     std::pow(ratio, static_cast<double>(i) / static_cast<double>(count - 1)));
  return spaced;
}

// Of runs that see every token once, in the target's batches; wider than the runs, as figures are.
// Empty where the law has no forecast for a corner of it: a picture less.
LossSurface surface_of(const PlannedRun& target, const laws::Fit& fit,
                       const record::Results& results) try {
  if (!laws::counts_embeddings(fit)) return {};
  std::vector<double> params{static_cast<double>(target.n_total)};
  std::vector<double> tokens{static_cast<double>(target.config.tokens())};
  for (const record::ResultRow& row : results.rows) {
    params.push_back(static_cast<double>(row.n_total));
    tokens.push_back(static_cast<double>(row.tokens));
  }
  constexpr double kMargin = 4.0;
  constexpr std::size_t kPoints = 40;
  LossSurface surface{
      log_spaced(params, kMargin, kPoints), log_spaced(tokens, kMargin, kPoints), {}};
  for (const double d : surface.tokens) {
    for (const double n : surface.params) {
      laws::RunSize size;
      size.params = n;
      size.tokens = size.unique_tokens = d;
      size.steps = d / static_cast<double>(target.config.tokens_per_step());
      surface.loss.push_back(laws::predict(fit, size).value);
    }
  }
  return surface;
} catch (const InputError&) {
  return {};
}

// What a picture of the prediction needs beside it.
void add_what_the_fit_says(TargetCheck& check, const PlannedRun& target, const laws::Fit& fit,
                           const record::Results& results) {
  for (const record::ResultRow& row : results.rows) {
    if (row.role != name_of(Role::fit) || row.status != name_of(State::finished)) continue;
    check.fitted.push_back({row.run, laws::predict(fit, size_of(row, fit)).value});
  }
  constexpr double kFirst = 1.0 / 320.0, kLast = 1.7;  // of the target's tokens
  constexpr int kPoints = 100;
  for (int i = 0; i < kPoints; ++i) {
    const double tokens = check.tokens * kFirst * std::pow(kLast / kFirst, i / (kPoints - 1.0));
    check.curve.push_back({tokens, laws::predict(fit, size_at(target, tokens, fit)).value});
  }
  check.surface = surface_of(target, fit, results);
}

}  // namespace

TargetCheck check_target(const PlannedRun& run, const std::string& name, const laws::Fit& fit,
                         double level, const record::Results& results) {
  TargetCheck check;
  check.fit = name;
  check.params = static_cast<double>(run.n_total);
  check.tokens = static_cast<double>(run.config.tokens());
  check.flops = run.flops_6nd();
  check.prediction = laws::predict(fit, size_at(run, check.tokens, fit), level);
  add_what_the_fit_says(check, run, fit, results);
  return check;
}

double TargetCheck::error_percent() const {
  return 100.0 * (prediction.value - *measured) / *measured;
}

bool TargetCheck::is_inside() const {
  return *measured >= prediction.interval->low && *measured <= prediction.interval->high;
}

std::string prediction_json(const TargetCheck& target) {
  nlohmann::ordered_json json{
      {"isoflop", {{"version", version()}, {"commit", commit()}}},
      {"fit", target.fit},
      {"target", {{"params", target.params}, {"tokens", target.tokens}, {"flops", target.flops}}},
      {"predicted", target.prediction.value},
      {"interval", laws::json_of(target.prediction.interval)},
      {"measured", nullptr},
      {"error_percent", nullptr},
      {"inside", nullptr},
      {"fitted", nlohmann::ordered_json::object()},
      {"curve",
       {{"tokens", nlohmann::ordered_json::array()}, {"loss", nlohmann::ordered_json::array()}}}};
  for (const FittedRun& run : target.fitted) json["fitted"][run.run] = run.loss;
  for (const LossAtTokens& point : target.curve) {
    json["curve"]["tokens"].push_back(point.tokens);
    json["curve"]["loss"].push_back(point.loss);
  }
  if (!target.surface.loss.empty())
    json["surface"] = {{"params", target.surface.params},
                       {"tokens", target.surface.tokens},
                       {"loss", target.surface.loss}};
  if (target.measured) {
    json["measured"] = *target.measured;
    json["error_percent"] = target.error_percent();
    if (target.prediction.interval) json["inside"] = target.is_inside();
  }
  return json.dump(2) + "\n";
}

}  // namespace isoflop::experiment
