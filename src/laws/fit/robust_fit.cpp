#include "laws/fit/robust_fit.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/fit/alternatives.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/calibration.hpp"
#include "laws/fit/outliers.hpp"
#include "laws/fit/precision.hpp"
#include "laws/fit/profile.hpp"
#include "laws/fit/resample.hpp"
#include "laws/fit/theta.hpp"
#include "laws/search/search.hpp"

namespace isoflop::laws {
namespace {

std::vector<double> column_of(const Draws& draws, std::size_t parameter) {
  std::vector<double> column;
  for (const auto& row : draws.rows) column.push_back(row[parameter]);
  return column;
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

/// Warnings that only the search knows.
void warn_about_search(const Law& law, const Search& search, Fit& result) {
  const Minimum& best = search.best;
  for (std::size_t i = 0; i < law.size(); ++i) {
    const ParameterInfo& parameter = law.parameters[i];
    if ((best.at_bound >> i & 1u) == 0 || parameter.is_fixed()) continue;
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
  const auto near = std::ranges::count_if(
      search.basins, [&](const Minimum& basin) { return basin.objective < 1.05 * best.objective; });
  if (near > 1)
    result.warnings.push_back(fmt::format(
        "{} of {} optima are within 5% of the best objective, the next {:.2g}% above it", near,
        search.basins.size(), 100 * (search.basins[1].objective / best.objective - 1)));
}

/// No point would tell another value of these.
void warn_about_open_parameters(const Law& law, const Samples& samples, const Minimum& best,
                                Fit& result) {
  constexpr double kNothing = 1e-8;  // change of any response for a step of 1 in the coordinate
  Vector steepest{};
  for (std::size_t row = 0; row < samples.size(); ++row) {
    Vector gradient{};
    law.evaluate(samples.row(row), best.theta.data(), gradient.data(), nullptr);
    for (std::size_t i = 0; i < law.size(); ++i)
      steepest[i] = std::max(steepest[i], std::fabs(gradient[i]));
  }
  for (std::size_t i = 0; i < law.size(); ++i)
    if (steepest[i] < kNothing && (best.at_bound >> i & 1u) == 0)
      result.warnings.push_back(
          fmt::format("{} is open: no point depends on it, its value is where the search began",
                      law.parameters[i].name));
}

std::vector<Basin> describe_basins(const Law& law, const Search& found) {
  constexpr std::size_t kMost = 5;
  std::vector<Basin> basins;
  for (std::size_t k = 0; k < std::min(kMost, found.basins.size()); ++k) {
    const Minimum& minimum = found.basins[k];
    basins.push_back(
        {minimum.objective, found.reached[k], to_row(law.values(minimum.theta), law.size()), {}});
    for (std::size_t i = 0; i < law.size(); ++i)
      if ((minimum.at_bound >> i & 1u) != 0 && !law.parameters[i].is_fixed())
        basins.back().at_bound.emplace_back(law.parameters[i].name);
  }
  return basins;
}

/// Where the best basins lie.
std::vector<Vector> best_places(const Search& found) {
  constexpr std::size_t kMost = 3;
  std::vector<Vector> places;
  for (const Minimum& basin : found.basins)
    if (places.size() < kMost) places.push_back(basin.theta);
  return places;
}

void describe_law(const Points& prepared, const Points& with_outliers, const LawRollout& rollout,
                  const Search& found, const FitOptions& options, Fit& result) {
  const Law& law = *rollout.contender.law;
  result.objective = found.best.objective;
  result.search = {found.starts,
                   found.reached.front(),
                   static_cast<int>(found.basins.size()),
                   found.lost,
                   found.best.converged,
                   found.best.gradient_norm,
                   describe_basins(law, found)};
  warn_about_search(law, found, result);
  result.residual_rms = rollout.stages.back()->residual_rms;
  result.precision = precision_of(law, *rollout.stages.back());
  const auto dropped = result.is_ensemble ? std::nullopt : std::optional(options.drop_outliers);
  if (std::string text = describe_outliers(rollout.contender, prepared, found.best.theta, dropped);
      !text.empty())
    result.warnings.push_back(std::move(text));
  const Samples samples = law.rows(prepared, rollout.contender.variables);
  warn_about_open_parameters(law, samples, found.best, result);
  result.draws = draw_again(prepared, law, samples, options, found.best.theta);
  summarise_parameters(law, found.best.theta, result);
  if (!options.details) return;
  result.alternatives = find_alternatives(rollout.contender, prepared, with_outliers,
                                          options.huber_delta, best_places(found));
  result.profiles = profiles_of(law, samples, options.huber_delta, found.best.theta, options.level);
}

std::vector<double> lower_triangle(const Matrix& matrix, std::size_t size) {
  std::vector<double> triangle;
  for (std::size_t row = 0; row < size; ++row)
    for (std::size_t k = 0; k <= row; ++k) triangle.push_back(at(matrix, row, k));
  return triangle;
}

/// Largest weight first.
std::vector<Member> members_of(const std::vector<LawRollout>& rollouts,
                               const Calibration& calibration) {
  std::vector<Member> members;
  for (std::size_t m = 0; m < rollouts.size(); ++m)
    members.push_back(member_of(rollouts[m], calibration.weights[m], calibration.errors[m]));
  std::stable_sort(members.begin(), members.end(),
                   [](const Member& a, const Member& b) { return a.weight > b.weight; });
  return members;
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

Member member_of(const LawRollout& rollout, double weight, double error) {
  const Contender& contender = rollout.contender;
  const Law& law = *contender.law;
  const Stage& stage = *rollout.stages.back();
  return {std::string(law.name),
          law.any_variable ? std::string(to_string(contender.variables.front())) : "",
          weight,
          to_row(law.values(stage.theta), law.size()),
          stage.residual_rms,
          stage.noise,
          error,
          lower_triangle(stage.information, law.size()),
          to_row(stage.theta, law.size())};
}

Rolled search_and_roll(const Contender& contender, const Points& prepared, const Cuts& cuts,
                       double huber_delta, Starts which) {
  const Law& law = *contender.law;
  const Samples samples = law.rows(prepared, contender.variables);
  require(samples.size() >= law.minimum_points(),
          "{}: {} points lie behind the largest learning rate of their curves, needs {}: give "
          "curves whose rate falls",
          law.name, samples.size(), law.minimum_points());
  const Objective objective(law, samples, huber_delta);
  Search found = search(objective, choose_starts(objective, which));
  LawRollout rollout = roll_out(contender, prepared, cuts, huber_delta, found.best.theta);
  return {std::move(found), std::move(rollout)};
}

std::size_t fit_robust(const Points& prepared, const Points& with_outliers,
                       std::span<const Contender> contenders, const FitOptions& options,
                       Fit& result) {
  // the points of a curve are one run: they have no larger ones among them
  const bool curves = contenders.front().law->reads_curves;
  const Cuts cuts =
      curves ? Cuts{} : cut_points(prepared, growth_of(prepared, contenders.front().variables));
  std::vector<Search> found;
  std::vector<LawRollout> rollouts;
  for (const Contender& contender : contenders) {
    Rolled rolled = search_and_roll(contender, prepared, cuts, options.huber_delta,
                                    contenders.size() > 1 ? Starts::few : Starts::all);
    found.push_back(std::move(rolled.found));
    rollouts.push_back(std::move(rolled.rollout));
  }
  const Calibration calibration = calibrate(prepared, cuts, rollouts);
  result.rollout = calibration.rollout;
  result.members = members_of(rollouts, calibration);
  const auto heaviest = std::max_element(calibration.weights.begin(), calibration.weights.end());
  const auto leader = static_cast<std::size_t>(heaviest - calibration.weights.begin());
  describe_law(prepared, with_outliers, rollouts[leader], found[leader], options, result);
  return leader;
}

}  // namespace isoflop::laws
