#include "laws/fit/warnings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "laws/fit/budgets.hpp"
#include "laws/law/law.hpp"
#include "laws/numerics/trend.hpp"
#include "laws/points/best_runs.hpp"

namespace isoflop::laws {
namespace {

/// Losses at several token counts of one run are not final losses of a full schedule.
void warn_about_mid_run_losses(const Points& prepared, Fit& result) {
  if (find_law(result.law).reads_curves) return;
  if (prepared.group.empty() || prepared.tokens.empty() || result.method == "approach1") return;
  const std::string& stage = result.conventions.stage;
  if (stage.starts_with("final") || stage == "cooled-down") return;  // branches of one trunk
  std::map<std::string, std::set<double>> tokens_of;
  for (std::size_t row = 0; row < prepared.size(); ++row)
    if (!prepared.group[row].empty()) tokens_of[prepared.group[row]].insert(prepared.tokens[row]);
  std::size_t mixed = 0;
  for (const auto& [group, tokens] : tokens_of) mixed += tokens.size() > 1;
  if (mixed > 0)
    result.warnings.push_back(
        fmt::format("{} of {} groups hold several token counts: losses before the end of a decayed "
                    "schedule lie above the "
                    "law; keep the last of each run, or branch and decay",
                    mixed, tokens_of.size()));
}

/// Losses of mid-decay alone agree among themselves and lie above those of finished runs.
void warn_about_stage(Fit& result) {
  if (result.conventions.stage == "mid-decay")
    result.warnings.push_back(
        "every loss is of stage mid-decay: runs that finish their schedule with so many tokens end "
        "lower than this law says; keep final or cooled-down losses");
}

/// The sizes that the law reads and the columns that one of them was computed from: compute first,
/// what was computed last.
std::vector<Variable> sizes_read(const Points& prepared, std::span<const Variable> variables) {
  const bool reads_computed = prepared.computed && reads(variables, *prepared.computed);
  const bool reads_compute =
      std::ranges::any_of(variables, [](Variable one) { return one <= Variable::flops; });
  std::vector<Variable> sizes;
  if (reads_compute && prepared.computed != Variable::flops) sizes.push_back(Variable::flops);
  for (const Variable one : {Variable::params, Variable::tokens})
    if ((reads(variables, one) || reads_computed) && prepared.computed != one) sizes.push_back(one);
  if (reads(variables, Variable::unique_tokens)) sizes.push_back(Variable::unique_tokens);
  if (reads_computed) sizes.push_back(*prepared.computed);
  return sizes;
}

/// Millions of params or billions of tokens fit as well, but every scale means something else.
void warn_about_units(const Points& prepared, std::span<const Variable> variables, Fit& result) {
  constexpr double kFewest = 1000;  // no language model has fewer parameters or saw fewer tokens
  bool is_told = false;
  for (const Variable variable : sizes_read(prepared, variables)) {
    const std::vector<double>& values = column(prepared, variable);
    if (values.empty()) continue;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const bool is_computed = prepared.computed == variable;
    if (*low >= kFewest || (is_computed && is_told)) continue;
    is_told = true;
    result.warnings.push_back(
        is_computed
            ? fmt::format("{}, computed by C = 6 N D, are {:.3g} to {:.3g}: give the two columns "
                          "that they come from in units",
                          to_string(variable), *low, *high)
            : fmt::format("column {} reads {:.3g} to {:.3g}: give {} in units, not thousands, "
                          "millions or billions",
                          to_string(variable), *low, *high, info(variable).unit));
  }
}

void warn_about_grid(const Points& prepared, std::span<const Variable> variables, Fit& result) {
  constexpr std::size_t kFewSizes = 5;
  const Law& law = find_law(result.law);
  for (const Variable variable : variables) {
    const std::vector<double>& values = column(prepared, variable);
    if (values.empty()) continue;
    const std::size_t distinct = count_distinct(values);
    if (distinct < kFewSizes)
      result.warnings.push_back(fmt::format("only {} different {}: {} or more make {} credible",
                                            distinct, to_string(variable), kFewSizes,
                                            law.has_exponents ? "an exponent" : "a curve"));
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    if (std::string text = describe_narrow(law, variable, {*low, *high}); !text.empty())
      result.warnings.push_back(std::move(text));
  }
}

/// Approach 2 says this of its own budgets.
void warn_about_edges(const Points& prepared, std::span<const Variable> variables, Fit& result) {
  constexpr std::size_t kFewestBudgets = 3;
  if (result.is_frontier() || !reads(variables, Variable::params) ||
      !reads(variables, Variable::tokens) || find_law(result.law).response != Variable::loss)
    return;
  const auto [all, without_gap] = split_by_budget(prepared);
  if (without_gap) return;
  std::vector<Profile> profiles;
  std::vector<Edge> edges;
  for (const Profile& profile : all) {
    if (profile.rows.size() < kPointsOfBudget) continue;
    profiles.push_back(profile);
    edges.push_back(find_minimum(profile, profile.weight, kCurvatureErrors).edge);
  }
  if (profiles.size() < kFewestBudgets) return;
  if (const std::string text = describe_edges(profiles, edges); !text.empty())
    result.warnings.push_back(text);
}

/// Where tokens grow in step with params, no point tells the terms of a law in both apart; where
/// they fall in step, none tells what more compute does.
void warn_about_ratio(const Points& prepared, std::span<const Variable> variables, Fit& result) {
  constexpr double kNarrow = 3;
  if (!reads(variables, Variable::params) || !reads(variables, Variable::tokens)) return;
  double low = std::numeric_limits<double>::infinity();
  double high = 0;
  for (std::size_t row = 0; row < prepared.size(); ++row) {
    const double ratio = prepared.tokens[row] / prepared.params[row];
    low = std::min(low, ratio);
    high = std::max(high, ratio);
  }
  if (high < kNarrow * low)
    result.warnings.push_back(fmt::format(
        "tokens a parameter span only a factor {:.3g}: what params and tokens do is not "
        "told apart; add runs with more and with fewer tokens a parameter",
        high / low));
  if (std::string text = describe_one_budget(variables, result.flops); !text.empty())
    result.warnings.push_back(std::move(text));
}

/// Repeated tokens are worth less than new ones, which only laws of unique_tokens know.
void warn_about_repetition(const Points& prepared, std::span<const Variable> variables,
                           Fit& result) {
  constexpr double kOnce = 1.01;  // epochs
  if (reads(variables, Variable::unique_tokens) || prepared.unique_tokens.empty() ||
      prepared.tokens.empty())
    return;
  std::size_t repeated = 0;
  double most = 0;
  for (std::size_t row = 0; row < prepared.size(); ++row) {
    const double epochs = prepared.tokens[row] / prepared.unique_tokens[row];
    repeated += epochs > kOnce;
    most = std::max(most, epochs);
  }
  if (repeated > 0)
    result.warnings.push_back(
        fmt::format("{} of {} points saw their text more than once, up to {:.3g} times: the law "
                    "counts repeated tokens as new ones; fit --law repeated-data",
                    repeated, prepared.size(), most));
}

/// A law of the loss is one of tuned runs, a law of a setting one of the best setting: where there
/// are losses beside them, they say which that is.
void warn_about_sweeps(const Points& prepared, Fit& result) {
  const Law& law = find_law(result.law);
  const bool of_loss = law.response == Variable::loss;
  const Variable setting = of_loss ? Variable::learning_rate : law.response;
  const std::vector<double>& settings = column(prepared, setting);
  const bool is_swept = setting == Variable::learning_rate || setting == Variable::batch;
  if (!is_swept || settings.empty() || prepared.loss.empty() || law.reads_curves ||
      result.method == "approach1" || prepared.params.empty() || prepared.tokens.empty())
    return;
  std::map<SweptSize, std::set<double>> settings_of;
  for (std::size_t row = 0; row < prepared.size(); ++row)
    settings_of[size_of(prepared, row)].insert(settings[row]);
  const auto swept =
      std::ranges::count_if(settings_of, [](const auto& size) { return size.second.size() > 1; });
  if (swept > 0)
    result.warnings.push_back(fmt::format(
        "{} of {} sizes were run with several {}: the worse ones bend the law; keep the best with "
        "--best-runs",
        swept, settings_of.size(), setting == Variable::batch ? "batches" : "learning rates"));
}

/// A share that goes the wrong way with what the law reads, turns or stands still is one that the
/// law follows where it has noise or a trap.
void warn_about_trend(const Points& prepared, std::span<const Variable> variables, Fit& result) {
  constexpr std::size_t kMost = 1000;  // points that a trend is looked for in
  const Law& law = find_law(result.law);
  if (info(law.response).values != Values::fraction) return;
  const Variable read = variables.size() == 1 ? variables.front() : Variable::task_loss;
  Series series;
  const std::size_t count = std::min(kMost, prepared.size());
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t row = k * prepared.size() / count;
    const double value = column(prepared, read)[row];
    series.weight.push_back(prepared.weight[row]);
    series.size.push_back(falls_with_size(read) ? 1 / value : value);
    series.value.push_back(column(prepared, law.response)[row]);
  }
  const TrendTest test = test_trend(series, law.response == Variable::accuracy);
  if (test.trend == Trend::improves || test.trend == Trend::too_few) return;
  result.warnings.push_back(fmt::format(
      "{} along {}{}: {} (p = {:.2g}): no law to extrapolate; isoflop emergence looks closer",
      to_string(law.response), falls_with_size(read) ? "falling " : "", to_string(read),
      to_string(test.trend), test.turn > 0 ? test.p_turn : test.p_any));
}

void warn_about_compute(const Points& prepared, Fit& result) {
  if (prepared.params.empty() || prepared.tokens.empty()) return;
  if (result.conventions.flops == "cmin") return;  // less than was spent, and meant to be
  double largest = 1;
  for (std::size_t row = 0; row < prepared.size(); ++row) {
    const double ratio = prepared.flops[row] / (6 * prepared.params[row] * prepared.tokens[row]);
    largest = std::max(largest, std::max(ratio, 1 / ratio));
  }
  if (largest > 1.2)
    result.warnings.push_back(
        fmt::format("flops differ from 6 N D by up to a factor {:.3g}; compute-optimal N and D are "
                    "for C = 6 N D",
                    largest));
}

/// A law of any variable has no published values, one of neither params nor flops counts none.
void warn_about_kind_of_params(Fit& result) {
  const Law& law = find_law(result.law);
  const bool counts =
      reads(law.variables, Variable::params) || reads(law.variables, Variable::flops);
  if (law.any_variable || !counts) return;
  const std::string& kind = result.conventions.params;
  const std::string needed = law.counts_embeddings ? "total" : "non-embedding";
  if (!kind.empty() && kind != needed)
    result.warnings.push_back(
        fmt::format("params are {}, the published values of law {} are for {} ones: exponents and "
                    "coefficients do not compare",
                    kind, result.law, needed));
}

void warn_about_draws(Fit& result) {
  const Draws& draws = result.draws;
  if (draws.unconverged > 0)
    result.warnings.push_back(
        fmt::format("{} of {} bootstrap draws found no sharp optimum: the intervals are rough",
                    draws.unconverged, draws.asked));
  if (draws.clusters == 1)
    result.warnings.push_back(
        find_law(result.law).reads_curves
            ? "one curve alone tells nothing of another one: no intervals; name the run of each "
              "row in a column group"
            : "all points are of one group: it alone tells nothing of another one: no intervals "
              "of the parameters; name the run of each row in the column group");
  if (draws.asked > 0 && draws.clusters < 10)
    result.warnings.push_back(fmt::format(
        "the bootstrap draws from {} runs: its intervals are rough below 10", draws.clusters));
}

}  // namespace

std::string describe_narrow(const Law& law, Variable variable, const Range& fitted) {
  constexpr double kNarrow = 8;
  if (!law.has_exponents || !(fitted.high < kNarrow * fitted.low)) return "";
  return fmt::format("{} span only a factor {:.3g}: the exponent is a guess", to_string(variable),
                     fitted.high / fitted.low);
}

std::string describe_one_budget(std::span<const Variable> variables, const Range& flops) {
  constexpr double kNarrow = 3;
  if (!reads(variables, Variable::params) || !reads(variables, Variable::tokens)) return "";
  if (!(flops.high < kNarrow * flops.low)) return "";
  return fmt::format(
      "flops span only a factor {:.3g}: what more compute does is a guess; add runs of other "
      "budgets",
      flops.high / flops.low);
}

void add_data_warnings(const Points& prepared, std::span<const Variable> variables, Fit& result) {
  warn_about_mid_run_losses(prepared, result);
  warn_about_stage(result);
  warn_about_units(prepared, variables, result);
  warn_about_grid(prepared, variables, result);
  warn_about_edges(prepared, variables, result);
  warn_about_ratio(prepared, variables, result);
  warn_about_repetition(prepared, variables, result);
  warn_about_sweeps(prepared, result);
  warn_about_trend(prepared, variables, result);
  warn_about_compute(prepared, result);
  warn_about_kind_of_params(result);
  warn_about_draws(result);
}

}  // namespace isoflop::laws
