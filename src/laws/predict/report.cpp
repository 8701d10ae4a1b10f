#include "laws/predict/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include "core/text.hpp"
#include "laws/fit/calibration.hpp"
#include "laws/law/law.hpp"
#include "laws/search/objective.hpp"

namespace isoflop::laws {
namespace {

std::string or_dash(double value, int digits = 6) {
  return std::isfinite(value) ? fmt::format("{:.{}g}", value, digits) : "-";
}

std::string percent(double level) { return fmt::format("{:.3g}%", 100 * level); }

/// A miss of ln loss is a share of the loss; one of a law of shares is what it is.
std::string miss_on(Scale scale, double miss) {
  return scale == Scale::log ? percent(miss) : fmt::format("{:.3g}", miss);
}

/// A law states its unit of the loss; the fit's points may have another one.
std::string in_units_of(const Fit& fit, std::string_view meaning) {
  constexpr std::string_view kUnit = "nats/token";
  std::string text(meaning);
  const std::size_t place = text.find(kUnit);
  if (place != std::string::npos && fit.conventions.loss == "bits_per_byte")
    text.replace(place, kUnit.size(), "bits/byte");
  return text;
}

std::string meaning_of(const Fit& fit, const std::string& name) {
  if (fit.is_frontier()) {
    if (name == "G" || name == "a") return "N* = G (C/6)^a";
    if (name == "H" || name == "b") return "D* = H (C/6)^b";
    return "L* = E + K/C^gamma";
  }
  for (const ParameterInfo& parameter : find_law(fit.law).parameters)
    if (parameter.name == name) return in_units_of(fit, parameter.meaning);
  if (name == "a" || name == "G") return "N* = G (C/6)^a";
  if (name == "b") return "D* = (C/6)^b / G";
  return "";
}

std::string table(const Fit& fit) {
  std::string text = fmt::format("  {:<8} {:>14} {:>12} {:>14} {:>14}\n", "", "value", "std. error",
                                 percent(fit.level) + " low", "high");
  const auto add = [&](const Estimate& e) {
    const bool fixed = std::ranges::find(fit.fixed, e.name) != fit.fixed.end();
    text += fmt::format("  {:<8} {:>14} {:>12} {:>14} {:>14}  {}\n", e.name, or_dash(e.value, 8),
                        fixed ? "fixed" : or_dash(e.standard_error), or_dash(e.low),
                        or_dash(e.high), meaning_of(fit, e.name));
  };
  std::for_each(fit.parameters.begin(), fit.parameters.end(), add);
  if (!fit.is_frontier()) std::for_each(fit.derived.begin(), fit.derived.end(), add);
  return text;
}

std::string ranges(const Fit& fit) {
  std::vector<std::string> parts;
  const auto add = [&](const Range& range, const char* unit) {
    if (std::isfinite(range.high))
      parts.push_back(
          fmt::format("{} to {} {}", short_count(range.low), short_count(range.high), unit));
  };
  add(fit.params, "params");
  add(fit.tokens, "tokens");
  if (std::isfinite(fit.flops.high))
    parts.push_back(fmt::format("{:.2e} to {:.2e} FLOP", fit.flops.low, fit.flops.high));
  return fmt::format("{}", fmt::join(parts, ", "));
}

// A line for each reason; the JSON has every point.
std::string left_out_lines(const Fit& fit) {
  std::vector<std::pair<const LeftOut*, std::size_t>> groups;  // the first point, their number
  std::unordered_map<std::string_view, std::size_t> group_of;  // a reason may name its point
  for (const LeftOut& point : fit.left_out) {
    const auto [entry, is_new] = group_of.try_emplace(point.reason, groups.size());
    if (is_new) groups.push_back({&point, 0});
    ++groups[entry->second].second;
  }
  constexpr std::size_t kShown = 5;
  std::string text;
  std::size_t shown = 0;
  for (const auto& [first, count] : std::span(groups).first(std::min(kShown, groups.size()))) {
    text += count == 1 ? fmt::format("left out   {}: {}\n", first->name, first->reason)
                       : fmt::format("left out   {} points: {}\n", count, first->reason);
    shown += count;
  }
  if (shown < fit.left_out.size())
    text += fmt::format("left out   {} more (see the JSON)\n", fit.left_out.size() - shown);
  return text;
}

std::string points_lines(const Fit& fit) {
  return fmt::format("points     {} used ({})\ncounted    {}\n", fit.used, ranges(fit),
                     describe(fit.conventions)) +
         left_out_lines(fit);
}

/// The laws of an ensemble with their weights.
std::string members(const Fit& fit) {
  if (!fit.is_ensemble) return "";
  std::string text = fmt::format(
      "ensemble of {} laws, weighed by what fits on less compute missed\n\n"
      "  {:<20} {:>8} {:>14} {:>12}\n",
      fit.members.size(), "", "weight", "rollout error", "residuals");
  const auto percent_or_dash = [](double share) {
    return std::isfinite(share) ? percent(share) : "-";
  };
  for (const Member& member : fit.members)
    text +=
        fmt::format("  {:<20} {:>7.1f}% {:>14} {:>12}\n", member.law, 100 * member.weight,
                    percent_or_dash(member.rollout_error), percent_or_dash(member.residual_rms));
  return text + "\nthe heaviest:\n\n";
}

std::string smaller_runs(const Growth& growth) {
  const std::string size = describe(growth);
  return size == "compute" ? "on less compute" : fmt::format("on smaller runs by {}", size);
}

std::string rollout_lines(const Fit& fit) {
  const Rollout& rollout = fit.rollout;
  if (rollout.cuts.empty()) return fmt::format("rollout    none: {}\n", why_not_calibrated(fit));
  std::string text = fmt::format(
      "rollout    fits {}, below {} cuts, missed {} {} above by {} rms ({} forecasts)\n",
      smaller_runs(rollout.growth), rollout.cuts.size(), rollout.describe_held_out(),
      fit.budgets.empty() ? "points" : "budgets",
      miss_on(find_law(fit.law).scale, rollout.rms_miss()), rollout.forecasts());
  if (rollout.nested_points > 0)
    text += fmt::format("coverage   {} intervals made from smaller runs held {} of {} forecasts\n",
                        percent(fit.level), percent(measured_coverage(rollout, fit.level)),
                        rollout.nested_points);
  return text;
}

std::string name_of_objective(double delta) {
  if (name_of_loss(delta) == "huber") return fmt::format("sum of Huber, delta {:g}", delta);
  return delta < 1 ? fmt::format("sum of absolute deviations, times {:g}", delta)
                   : "half the sum of squares";
}

/// Where starts ended that did not lead to the optimum.
std::string other_optima(const SearchSummary& search) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> parts;
  for (std::size_t k = 1; k < std::min(search.best.size(), kShown + 1); ++k) {
    const Basin& basin = search.best[k];
    parts.push_back(fmt::format("{:.4g} from {} starts", basin.objective, basin.starts));
    if (!basin.at_bound.empty())
      parts.back() += fmt::format(" with {} at a bound", fmt::join(basin.at_bound, ", "));
  }
  if (search.lost > 0) parts.push_back(fmt::format("no finite value from {} starts", search.lost));
  return parts.empty() ? "" : fmt::format("elsewhere  {}\n", fmt::join(parts, "; "));
}

std::string quality(const Fit& fit) {
  if (fit.is_frontier()) return rollout_lines(fit);
  std::string text =
      fmt::format("objective  {:.9g} ({}); {} of {} starts lead to it, {} optima seen\n",
                  fit.objective, name_of_objective(fit.huber_delta), fit.search.reached_best,
                  fit.search.starts, fit.search.basins);
  text += other_optima(fit.search);
  const Law& law = find_law(fit.law);
  text += fmt::format("residuals  {} rms of the {}; condition number {:.3g}\n",
                      miss_on(law.scale, fit.residual_rms), to_string(law.response),
                      fit.precision.condition_number);
  return text + rollout_lines(fit);
}

/// "without the 5 highest losses", "huber 0.01".
std::string name_of(const Alternative& one) {
  if (one.left_out > 0) return fmt::format("{} highest left out", one.left_out);
  if (one.put_back > 0) return fmt::format("{} outliers put back", one.put_back);
  return one.loss == "huber" ? fmt::format("huber {:g}", one.huber_delta) : one.loss;
}

/// The same law by other losses and with fewer points.
std::string alternatives(const Fit& fit) {
  if (fit.alternatives.empty()) return "";
  constexpr std::size_t kMostColumns = 6;
  const std::size_t columns = std::min(kMostColumns, fit.parameters.size());
  std::string text = fmt::format("\n  {:<26}", "by another loss");
  for (std::size_t i = 0; i < columns; ++i) text += fmt::format(" {:>10}", fit.parameters[i].name);
  if (!fit.derived.empty()) text += fmt::format(" {:>10}", fit.derived.front().name);
  text += '\n';
  for (const Alternative& one : fit.alternatives) {
    text += fmt::format("  {:<26}", name_of(one));
    for (std::size_t i = 0; i < columns; ++i)
      text += fmt::format(" {:>10}", or_dash(one.parameters[i], 5));
    if (!one.derived.empty()) text += fmt::format(" {:>10}", or_dash(one.derived.front(), 5));
    text += '\n';
  }
  return text;
}

std::string correlations(const Fit& fit) {
  const std::vector<std::vector<double>>& rows = fit.precision.correlation;
  if (rows.size() < 2) return "";
  std::string text = fmt::format("\n  {:<11}", "correlation");
  for (std::size_t k = 0; k + 1 < rows.size(); ++k)
    text += fmt::format(" {:>8}", fit.parameters[k].name);
  text += '\n';
  for (std::size_t row = 1; row < rows.size(); ++row) {
    text += fmt::format("  {:<11}", fit.parameters[row].name);
    for (std::size_t k = 0; k < row; ++k)
      text += fmt::format(" {:>8}",
                          std::isfinite(rows[row][k]) ? fmt::format("{:+.3f}", rows[row][k]) : "-");
    text += '\n';
  }
  return text;
}

std::string profiles(const Fit& fit) {
  if (fit.profiles.empty()) return "";
  std::vector<std::string> parts;
  const auto end = [](const std::optional<double>& value) {
    return value ? fmt::format("{:.6g}", *value) : std::string("no limit");
  };
  for (const LikelihoodProfile& profile : fit.profiles)
    parts.push_back(fmt::format("{} {} to {}", profile.name, end(profile.low), end(profile.high)));
  return fmt::format("profile    {} likelihood: {}\n", percent(fit.profiles.front().level),
                     fmt::join(parts, "; "));
}

std::string budgets(const Fit& fit) {
  if (fit.budgets.empty()) return "";
  std::string text =
      fmt::format("\n  {:>10} {:>7} {:>9} {:>9} {:>9}\n", "FLOP", "points", "N*", "D*", "loss");
  for (const Budget& budget : fit.budgets) {
    text += fmt::format("  {:>10.3g} {:>7} ", budget.flops, budget.points);
    if (budget.rejected.empty())
      text += fmt::format("{:>9} {:>9} {:>9.5g}\n", short_count(budget.params),
                          short_count(budget.tokens), budget.loss);
    else
      text += fmt::format("left out: {}\n", budget.rejected);
  }
  return text;
}

std::string or_question(const std::optional<double>& count) {
  return count ? short_count(*count) : "?";
}

std::string describe_interval(const Interval& interval, const Fit& fit) {
  std::string text = fmt::format("\nthe interval covers {}\n", interval.covers);
  if (interval.measured_coverage)
    text += fmt::format(
        "such {} intervals, each made from smaller runs alone, held {} of {} forecasts above "
        "{} cuts\n",
        percent(interval.level), percent(*interval.measured_coverage), fit.rollout.nested_points,
        fit.rollout.nested_cuts);
  else if (interval.not_calibrated.empty())
    text += "how many such intervals hold is not counted: that needs more points below more cuts\n";
  if (!interval.not_calibrated.empty())
    text += fmt::format("not calibrated: {}\n", interval.not_calibrated);
  return text;
}

std::string factor(const std::optional<double>& value) {
  return value ? fmt::format("{:.3g}x", *value) : "?";
}

/// How far beyond the points a run lies: in N, D and C, or where the law reads something else in
/// what it reads.
struct Beyond {
  std::string in;
  std::vector<std::string> factors;
};

Beyond beyond_of(const Fit& fit, const Extrapolation& extrapolation) {
  const auto& [params, tokens, flops, others] = extrapolation;
  if (others.empty()) return {"N, D, C", {factor(params), factor(tokens), factor(flops)}};
  Beyond beyond;
  const auto add = [&](std::string_view name, const std::optional<double>& value) {
    beyond.in += (beyond.in.empty() ? "" : ", ") + std::string(name);
    beyond.factors.push_back(factor(value));
  };
  for (const Variable variable : variables_of(fit.law)) {
    if (variable == Variable::params) add("N", params);
    if (variable == Variable::tokens) add("D", tokens);
  }
  if (params && tokens) add("C", flops);
  for (const auto& [variable, value] : others) add(to_string(variable), value);
  return beyond;
}

}  // namespace

std::string describe_predictor(const Fit& fit) {
  return fit.is_ensemble ? fmt::format("ensemble of {} laws", fit.members.size())
                         : fmt::format("{} [{}]", fit.law, fit.method);
}

std::string describe(const Fit& fit) {
  std::string text = members(fit);
  text += fmt::format("{}  {}", fit.law, find_law(fit.law).formula);
  if (!fit.variable.empty()) text += fmt::format(", X = {}", fit.variable);
  text += fmt::format("   [{}]\n\n", fit.method);
  text += table(fit) + alternatives(fit) + correlations(fit) + budgets(fit) + "\n" +
          points_lines(fit) + quality(fit);
  if (fit.draws.asked > 0)
    text += fmt::format("intervals  {} bootstrap draws of {} among {} units, seed {}\n",
                        fit.draws.rows.size(), fit.draws.of, fit.draws.clusters, fit.seed);
  text += profiles(fit);
  for (const std::string& note : fit.notes) text += "note       " + note + "\n";
  for (const std::string& warning : fit.warnings) text += "warning    " + warning + "\n";
  return text;
}

std::string describe(const Fit& fit, const std::vector<Prediction>& predictions) {
  const bool intervals = !predictions.empty() && predictions.front().interval.has_value();
  const std::string level =
      intervals ? percent(predictions.front().interval->level) + " low" : "low";
  const std::string beyond_in =
      predictions.empty() ? "N, D, C" : beyond_of(fit, predictions.front().extrapolation).in;
  std::string text =
      fmt::format("{}\n\n  {:>9} {:>9} {:>10} {:>10} {:>10} {:>10}   beyond the fit in {}\n",
                  describe_predictor(fit), "params", "tokens", "FLOP",
                  to_string(find_law(fit.law).response), level, "high", beyond_in);
  for (const Prediction& p : predictions)
    text += fmt::format(
        "  {:>9} {:>9} {:>10} {:>10.6g} {:>10} {:>10}   {}\n", or_question(p.run.params),
        or_question(p.run.tokens), p.run.flops ? fmt::format("{:.3e}", *p.run.flops) : "?", p.value,
        p.interval ? or_dash(p.interval->low) : "-", p.interval ? or_dash(p.interval->high) : "-",
        fmt::join(beyond_of(fit, p.extrapolation).factors, ", "));
  if (intervals)
    text += describe_interval(*predictions.front().interval, fit);
  else if (!predictions.empty())
    text += "\nno interval: the points leave the parameters open\n";
  std::set<std::string_view> said;  // of the fit, at every row
  for (const Prediction& p : predictions)
    for (const std::string& warning : p.warnings)
      if (said.insert(warning).second) text += "warning  " + warning + "\n";
  return text + fmt::format("counted like the fit: {}\n", describe(fit.conventions));
}

}  // namespace isoflop::laws
