#include "laws/fit/fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "core/error.hpp"
#include "core/version.hpp"
#include "laws/fit/fixed.hpp"
#include "laws/fit/frontier.hpp"
#include "laws/fit/outliers.hpp"
#include "laws/fit/robust_fit.hpp"
#include "laws/fit/warnings.hpp"

namespace isoflop::laws {
namespace {

std::vector<std::string_view> methods_of(const Law& law) {
  if (law.name == "chinchilla") return {"approach3", "approach2", "approach1"};
  return {"huber"};
}

void require_options(const FitOptions& options) {
  require(std::isfinite(options.huber_delta) && options.huber_delta > 0,
          "huber-delta: saw {}, needed a number above 0", options.huber_delta);
  require(options.level > 0 && options.level < 1, "level: saw {}, needed a number between 0 and 1",
          options.level);
  require(options.bootstrap <= kMostDraws, "bootstrap: saw {}, needed at most {}",
          options.bootstrap, kMostDraws);
  require(options.interval == "pairs" || options.interval == "residuals",
          "interval: saw '{}', needed pairs or residuals", options.interval);
}

bool is_frontier(std::string_view method) { return method == "approach1" || method == "approach2"; }

/// What only some laws and methods can do.
void require_possible(const FitOptions& options, const std::string& method) {
  require(options.law != kEnsemble || options.method.empty(),
          "method: the ensemble chooses among laws, needed no --method");
  require(!is_frontier(method) || options.interval == "pairs",
          "interval: method {} has no residuals, needed pairs", method);
  const bool one = options.law != kEnsemble && !is_frontier(method);
  require(one || options.fixed.empty(), "fix: needed one law, and no method that fits a frontier");
  require(one || options.drop_outliers == 0,
          "drop-outliers: misses are those of one law: needed one, and no method that fits a "
          "frontier");
  require((options.drop_outliers == 0 && options.drop_worst == 0) || !reads_curves(options.law),
          "drop-outliers, drop-worst: law {} fits whole curves, not their rows: leave runs out of "
          "the file",
          options.law);
}

std::string choose_method(const Law& law, const std::string& method) {
  const std::vector<std::string_view> known = methods_of(law);
  if (method.empty()) return std::string(known.front());
  require(std::find(known.begin(), known.end(), method) != known.end(),
          "method: '{}' is unknown for law {}, needed one of {}", method, law.name,
          fmt::join(known, ", "));
  return method;
}

/// What a one-variable law reads when the user did not say.
Variable choose_variable(const Law& law, const Points& prepared, const std::string& asked) {
  if (!asked.empty()) return variable_from(asked);
  if (law.variables.front() != Variable::flops) return law.variables.front();
  const bool params_vary = count_distinct(prepared.params) > 1;
  const bool tokens_vary = count_distinct(prepared.tokens) > 1;
  if (params_vary && !tokens_vary) return Variable::params;
  if (tokens_vary && !params_vary) return Variable::tokens;
  return Variable::flops;
}

std::vector<Variable> variables_of(const Law& law, const Points& prepared,
                                   const FitOptions& options) {
  if (law.any_variable) {
    const Variable variable = choose_variable(law, prepared, options.variable);
    require(variable != law.response, "variable: law {} predicts the {}, needed another column",
            law.name, to_string(variable));
    return {variable};
  }
  require(options.variable.empty(), "variable: law {} reads {}, needed no --variable", law.name,
          to_string(law.variables.front()));
  return law.variables;
}

/// Every law of params and tokens that the points suffice for; where there is none, every
/// one-variable law.
std::vector<Contender> ensemble_contenders(const Points& prepared, const FitOptions& options) {
  require(options.variable.empty(), "variable: the ensemble chooses it, needed no --variable");
  const std::vector<Variable> both = {Variable::params, Variable::tokens};
  const std::vector<Variable> columns = find_law("chinchilla").columns();
  require_columns(prepared, find_law("chinchilla"), both);
  std::vector<Contender> contenders;
  for (const Law* law : all_laws())
    if (law->variables == both && law->columns() == columns && is_enough(prepared, *law, both))
      contenders.push_back({law, both});
  if (!contenders.empty()) return contenders;
  for (const Law* law : all_laws()) {
    if (!law->any_variable || law->response != Variable::loss) continue;
    const std::vector<Variable> variables = variables_of(*law, prepared, options);
    if (is_enough(prepared, *law, variables)) contenders.push_back({law, variables});
  }
  require(!contenders.empty(),
          "{}ensemble: {} points are too few for any law: chinchilla, for one, needs {}",
          prepared.source.empty() ? "" : prepared.source + ": ", prepared.size(),
          find_law("chinchilla").minimum_points());
  return contenders;
}

Range range_of(const std::vector<double>& values) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {kNone, kNone};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

Fit describe(const Points& prepared, const FitOptions& options) {
  Fit result;
  result.level = options.level;
  result.seed = options.seed;
  result.huber_delta = options.huber_delta;
  for (const NamedValue& one : options.fixed) result.fixed.push_back(one.name);
  result.is_ensemble = options.law == kEnsemble;
  result.used = prepared.size();
  result.left_out = prepared.left_out;
  result.names = prepared.name;
  result.source = prepared.source;
  result.notes = prepared.notes;
  result.params = range_of(prepared.params);
  result.tokens = range_of(prepared.tokens);
  result.flops = range_of(prepared.flops);
  result.version = version();
  result.commit = commit();
  return result;
}

/// What is fitted to which points.
struct Task {
  Points points;
  Points with_outliers;  // which a fit leaves out
  std::vector<Contender> contenders;
  std::unique_ptr<const Law> fixed;  // law of the only contender, where parameters are held
};

Task make_task(const Points& points, const FitOptions& options, bool along_runs) {
  Task task;
  task.points = prepare(points);
  if (!along_runs) task.points = merge_repeats(task.points);
  if (options.drop_worst > 0) task.points = drop_worst(task.points, options.drop_worst);
  task.contenders = choose_contenders(task.points, options);
  Contender& first = task.contenders.front();
  if (!options.fixed.empty()) {
    task.fixed = fix_parameters(*first.law, options.fixed);
    first.law = task.fixed.get();
    require_enough(task.points, *task.fixed, first.variables);
  }
  task.with_outliers = task.points;
  if (options.drop_outliers > 0)
    task.points = drop_outliers(first, task.points, options.drop_outliers, options.huber_delta);
  return task;
}

/// Fills `result`; the contender that predicts.
const Contender& fit_task(const Task& task, const FitOptions& options, Fit& result) {
  const Contender& only = task.contenders.front();
  if (result.method == "approach1") {
    fit_approach1(task.points, options, result);
    return only;
  }
  if (result.method == "approach2") {
    fit_approach2(task.points, options, result);
    return only;
  }
  const std::size_t leader =
      fit_robust(task.points, task.with_outliers, task.contenders, options, result);
  return task.contenders[leader];
}

}  // namespace

std::vector<Contender> choose_contenders(const Points& prepared, const FitOptions& options) {
  if (options.law == kEnsemble) return ensemble_contenders(prepared, options);
  const Law& law = find_law(options.law);
  const Contender one = {&law, variables_of(law, prepared, options)};
  require_columns(prepared, law, one.variables);
  if (!is_frontier(options.method) && options.fixed.empty())
    require_enough(prepared, law, one.variables);
  return {one};
}

std::size_t Rollout::forecasts() const {
  std::size_t count = 0;
  for (const RolloutCut& cut : cuts) count += cut.looked_at;
  return count;
}

std::string Rollout::describe_held_out() const {
  std::size_t held_out = 0;  // the lowest cut has the points above all others above it too
  std::size_t looked_at = 0;
  for (const RolloutCut& cut : cuts) {
    held_out = std::max(held_out, cut.held_out);
    looked_at = std::max(looked_at, cut.looked_at);
  }
  return looked_at == held_out ? fmt::format("{}", held_out)
                               : fmt::format("{} of {}", looked_at, held_out);
}

double Rollout::rms_miss() const {
  double squares = 0;
  for (const RolloutCut& cut : cuts) squares += cut.rms_miss * cut.rms_miss;
  return std::sqrt(squares / static_cast<double>(cuts.size()));
}

std::vector<double> Fit::values() const {
  std::vector<double> values;
  for (const Estimate& parameter : parameters) values.push_back(parameter.value);
  return values;
}

bool counts_embeddings(std::string_view name) {
  const Law* law = find_law_or_ensemble(name);
  return law == nullptr || law->counts_embeddings;
}

bool counts_embeddings(const Fit& fit) {
  if (!fit.conventions.params.empty()) return fit.conventions.params != "non-embedding";
  return counts_embeddings(fit.is_ensemble ? kEnsemble : std::string_view(fit.law));
}

bool reads_curves(std::string_view name) {
  const Law* law = find_law_or_ensemble(name);
  return law != nullptr && law->reads_curves;
}

std::vector<Variable> columns_of(std::string_view name) {
  const Law* law = find_law_or_ensemble(name);
  if (law == nullptr) return {Variable::params, Variable::tokens, Variable::loss};
  return law->columns();
}

std::vector<Variable> variables_of(std::string_view name) {
  const Law* law = find_law_or_ensemble(name);
  if (law == nullptr) return {Variable::params, Variable::tokens};
  return law->variables;
}

Fit fit(const Points& points, const FitOptions& options) {
  require_options(options);
  const bool ensemble = options.law == kEnsemble;
  const std::string method = ensemble ? "" : choose_method(find_law(options.law), options.method);
  require_possible(options, method);
  const bool along_runs = method == "approach1" || reads_curves(options.law);
  const Task task = make_task(points, options, along_runs);

  Fit result = describe(task.points, options);
  result.conventions = conventions_of(task.points, along_runs);
  result.method = method;
  const Contender& leader = fit_task(task, options, result);
  result.law = leader.law->name;
  if (ensemble) result.method = methods_of(*leader.law).front();
  result.response = range_of(column(task.points, leader.law->response));
  if (leader.law->any_variable) result.variable = to_string(leader.variables.front());
  for (const Variable variable : leader.variables)
    if (variable > Variable::flops)  // which have their own
      result.others[variable] = range_of(column(task.points, variable));
  add_data_warnings(task.points, leader.variables, result);
  return result;
}

}  // namespace isoflop::laws
