#include "laws/robust_fit.hpp"

#include <cmath>

#include "core/error.hpp"
#include "laws/bootstrap.hpp"
#include "laws/search.hpp"

namespace isoflop::laws {
namespace {

// Every so many draws descend twice, so that the draws that only continue from the optimum are
// checked.
constexpr std::size_t kCheckEvery = 16;

std::vector<double> to_row(const Vector& values, std::size_t size) {
  return {values.begin(), values.begin() + static_cast<long>(size)};
}

Draws bootstrap(const Points& prepared, const Law& law, const Samples& samples,
                const FitOptions& options, const Vector& optimum) {
  const Clusters clusters(prepared.size(), prepared.group);
  Draws draws;
  draws.asked = options.bootstrap;
  draws.clusters = clusters.count();
  Samples drawn = samples;
  for (std::size_t d = 0; d < options.bootstrap; ++d) {
    const std::vector<double> counts = clusters.counts(options.seed, static_cast<std::uint32_t>(d));
    for (std::size_t i = 0; i < samples.size(); ++i)
      drawn.weight[i] = samples.weight[i] * counts[samples.point[i]];
    const Objective objective(law, drawn, options.huber_delta);
    Minimum minimum = minimise(objective, optimum);
    if (!minimum.converged || d % kCheckEvery == 0) {
      const Minimum other = minimise_gradually(objective, optimum);
      if (other.objective < minimum.objective) minimum = other;
    }
    draws.rows.push_back(to_row(law.values(minimum.theta), law.size()));
  }
  return draws;
}

std::vector<double> column_of(const Draws& draws, std::size_t parameter) {
  std::vector<double> column;
  for (const auto& row : draws.rows) column.push_back(row[parameter]);
  return column;
}

Vector to_vector(const std::vector<double>& row) {
  Vector values{};
  for (std::size_t i = 0; i < row.size(); ++i) values[i] = row[i];
  return values;
}

void summarise_parameters(const Law& law, const Vector& theta, Fit& result) {
  const Vector values = law.values(theta);
  for (std::size_t i = 0; i < law.size(); ++i)
    result.parameters.push_back(summarise(std::string(law.parameters[i].name), values[i],
                                          column_of(result.draws, i), result.level));
  const std::vector<NamedValue> derived = law.derived(values);
  std::vector<std::vector<double>> drawn(derived.size());
  for (const auto& row : result.draws.rows) {
    const std::vector<NamedValue> of_draw = law.derived(to_vector(row));
    for (std::size_t k = 0; k < derived.size(); ++k) drawn[k].push_back(of_draw[k].value);
  }
  for (std::size_t k = 0; k < derived.size(); ++k)
    result.derived.push_back(summarise(derived[k].name, derived[k].value, drawn[k], result.level));
}

double residual_rms(const std::vector<double>& residuals, const Samples& samples,
                    std::size_t parameters) {
  double sum = 0;
  double weight = 0;
  for (std::size_t i = 0; i < residuals.size(); ++i) {
    sum += samples.weight[i] * residuals[i] * residuals[i];
    weight += samples.weight[i];
  }
  const auto n = static_cast<double>(residuals.size());
  return std::sqrt(sum / weight * n / (n - static_cast<double>(parameters)));
}

/// Warnings that only the search knows.
void warn_about_search(const Law& law, const Search& search, Fit& result) {
  const Minimum& best = search.best;
  for (std::size_t i = 0; i < law.size(); ++i) {
    const ParameterInfo& parameter = law.parameters[i];
    if ((best.at_bound >> i & 1u) == 0) continue;
    result.warnings.push_back(fmt::format(
        "{} = {:.6g} sits at a bound ({} in [{:g}, {:g}]): the points do not determine it",
        parameter.name, law.values(best.theta)[i], parameter.coordinate, parameter.lower,
        parameter.upper));
  }
  if (!best.converged)
    result.warnings.push_back(
        fmt::format("the best optimum is not sharp: gradient {:.1e} after {} evaluations; some "
                    "parameters trade "
                    "off without a limit",
                    best.gradient_norm, best.evaluations));
  if (search.reached.front() * 20 < search.starts)
    result.warnings.push_back(fmt::format("only {} of {} starts reached the best optimum",
                                          search.reached.front(), search.starts));
  for (std::size_t k = 1; k < search.basins.size(); ++k)
    if (search.basins[k].objective < 1.05 * best.objective)
      result.warnings.push_back(
          fmt::format("another optimum is within {:.2g}% of the best objective",
                      100 * (search.basins[k].objective / best.objective - 1)));
}

}  // namespace

bool is_enough(const Points& prepared, const Law& law, std::span<const Variable> variables) {
  if (prepared.size() < law.minimum_points()) return false;
  for (const Variable variable : variables)
    if (count_distinct(column(prepared, variable)) < law.distinct_values) return false;
  return true;
}

void require_columns(const Points& prepared, const Law& law, std::span<const Variable> variables) {
  std::vector<Variable> needed = law.columns();
  needed.insert(needed.end(), variables.begin(), variables.end());
  for (const Variable variable : needed)
    require(!column(prepared, variable).empty(),
            "{}: the points have no {}, the law needs it: add a column '{}'", law.name,
            to_string(variable), to_string(variable));
}

void require_enough(const Points& prepared, const Law& law, std::span<const Variable> variables) {
  if (is_enough(prepared, law, variables)) return;
  std::vector<std::string> seen;
  std::vector<std::string> needed;
  for (const Variable variable : variables) {
    seen.push_back(fmt::format("{} different {}", count_distinct(column(prepared, variable)),
                               to_string(variable)));
    needed.push_back(fmt::format("{} different {}", law.distinct_values, to_string(variable)));
  }
  throw InputError(
      fmt::format("{}{}: {} points with {}; needs at least {} points with {}: add runs, or choose "
                  "a law with fewer "
                  "parameters",
                  prepared.source.empty() ? "" : prepared.source + ": ", law.name, prepared.size(),
                  fmt::join(seen, " and "), law.minimum_points(), fmt::join(needed, " and ")));
}

Vector refit(const Law& law, const Samples& samples, double huber_delta, const Vector& start) {
  const Objective objective(law, samples, huber_delta);
  const Minimum direct = minimise(objective, start);
  const Minimum gradual = minimise_gradually(objective, start);
  return direct.objective <= gradual.objective ? direct.theta : gradual.theta;
}

void fit_robust(const Points& prepared, const Law& law, std::span<const Variable> variables,
                const FitOptions& options, Fit& result) {
  const Samples samples = law.rows(prepared, variables);
  const Objective objective(law, samples, options.huber_delta);
  const std::vector<Vector> starts = law.starts(samples);
  const Search found = search(objective, starts);
  result.objective = found.best.objective;
  result.search = {found.starts, found.reached.front(), static_cast<int>(found.basins.size()),
                   found.best.converged, found.best.gradient_norm};
  warn_about_search(law, found, result);
  result.residual_rms = residual_rms(objective.residuals(found.best.theta), samples, law.size());
  result.draws = bootstrap(prepared, law, samples, options, found.best.theta);
  summarise_parameters(law, found.best.theta, result);
  result.rollout = measure_rollout(prepared, law, variables, options.huber_delta, found.best.theta,
                                   result.residual_rms);
}

}  // namespace isoflop::laws
