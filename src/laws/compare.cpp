#include "laws/compare.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "laws/bootstrap.hpp"
#include "laws/robust_fit.hpp"
#include "laws/rollout.hpp"

namespace isoflop::laws {
namespace {

constexpr double kNoiseLevel = 0.05;

struct Entry {
  ComparedLaw result;
  LawRollout rollout;
  std::vector<std::vector<double>> miss;  // [cut][point], NaN at and below the cut
};

Vector to_vector(const std::vector<double>& row) {
  Vector vector{};
  std::copy(row.begin(), row.end(), vector.begin());
  return vector;
}

std::vector<Variable> variables_of(const Law& law, const Fit& fit) {
  return law.any_variable ? std::vector{variable_from(fit.variable)} : law.variables;
}

std::vector<std::string> laws_to_compare(const CompareOptions& options) {
  if (!options.laws.empty()) {
    for (const std::string& name : options.laws)
      require(find_law(name).response == Variable::loss,
              "compare: law {} predicts {}, needed laws of the loss", name,
              to_string(find_law(name).response));
    return options.laws;
  }
  std::vector<std::string> names;
  for (const Law* law : all_laws())
    if (law->response == Variable::loss) names.emplace_back(law->name);
  return names;
}

/// The fit to all points and the refits below the cuts.
Entry roll(const Points& prepared, const std::string& name, std::span<const double> cuts,
           const CompareOptions& options) {
  const Law& law = find_law(name);
  const Fit fitted =
      fit(prepared, {.law = name, .huber_delta = options.huber_delta, .bootstrap = 0});
  Entry entry;
  entry.result.law = name;
  entry.result.variable = fitted.variable;
  entry.result.parameters = law.size();
  entry.result.in_sample = fitted.residual_rms;
  entry.rollout = roll_out({&law, variables_of(law, fitted)}, prepared, cuts, options.huber_delta,
                           law.coordinates(to_vector(fitted.values())));
  return entry;
}

bool has_stage(const Entry& entry, std::size_t cut) {
  return entry.rollout.stages[cut].has_value();
}

void fill_misses(const Points& prepared, const std::vector<double>& cuts,
                 const std::vector<std::size_t>& used, Entry& entry) {
  const Law& law = *entry.rollout.contender.law;
  const Samples& samples = entry.rollout.samples;
  for (const std::size_t cut : used) {
    std::vector<double> misses(prepared.size(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t row = 0; row < samples.size(); ++row) {
      const std::size_t i = samples.point[row];
      if (prepared.flops[i] <= cuts[cut]) continue;
      misses[i] =
          forecast(law, samples.row(row), *entry.rollout.stages[cut]).value - samples.y[row];
    }
    entry.miss.push_back(std::move(misses));
  }
}

/// Mean over cuts of the mean squared miss; `counts` weighs the points.
double mean_square(const Entry& entry, const std::vector<double>& counts) {
  double sum = 0;
  double cuts = 0;
  for (const std::vector<double>& misses : entry.miss) {
    double squares = 0;
    double weight = 0;
    for (std::size_t i = 0; i < misses.size(); ++i) {
      if (std::isnan(misses[i])) continue;
      squares += counts[i] * misses[i] * misses[i];
      weight += counts[i];
    }
    if (weight == 0) continue;  // a draw without this cut's points
    sum += squares / weight;
    cuts += 1;
  }
  return cuts > 0 ? sum / cuts : 0;
}

void summarise(Entry& entry) {
  double sum = 0;
  double count = 0;
  for (const std::vector<double>& misses : entry.miss) {
    double squares = 0;
    double held_out = 0;
    for (const double miss : misses) {
      if (std::isnan(miss)) continue;
      squares += miss * miss;
      sum += miss;
      held_out += 1;
    }
    count += held_out;
    entry.result.rms_of_cut.push_back(std::sqrt(squares / held_out));
  }
  entry.result.bias = sum / count;
  entry.result.rollout =
      std::sqrt(mean_square(entry, std::vector<double>(entry.miss.front().size(), 1.0)));
}

/// In how many draws of the points each law is at least as good as the first.
void test_differences(const Points& prepared, const CompareOptions& options,
                      std::vector<Entry>& entries) {
  const Clusters clusters(prepared.size(), prepared.group);
  for (std::size_t draw = 0; draw < options.bootstrap; ++draw) {
    const auto counts = clusters.counts(options.seed, static_cast<std::uint32_t>(draw));
    const double best = mean_square(entries.front(), counts);
    for (Entry& entry : entries) entry.result.p_better += mean_square(entry, counts) <= best;
  }
  for (Entry& entry : entries) {
    if (options.bootstrap > 0) entry.result.p_better /= static_cast<double>(options.bootstrap);
    entry.result.within_noise = entry.result.p_better >= kNoiseLevel;
  }
}

/// The cuts below which every law has enough points.
std::vector<std::size_t> common_cuts(const std::vector<Entry>& entries, std::size_t count) {
  std::vector<std::size_t> used;
  for (std::size_t cut = 0; cut < count; ++cut)
    if (std::ranges::all_of(entries, [&](const Entry& entry) { return has_stage(entry, cut); }))
      used.push_back(cut);
  return used;
}

std::vector<Entry> roll_all(const Points& prepared, const std::vector<double>& cuts,
                            const CompareOptions& options, Comparison& comparison) {
  std::vector<Entry> entries;
  for (const std::string& name : laws_to_compare(options)) {
    try {
      Entry entry = roll(prepared, name, cuts, options);
      if (cuts.empty() || !has_stage(entry, cuts.size() - 1)) {
        comparison.left_out.push_back({name, "too few points below any cut of compute"});
      } else {
        entries.push_back(std::move(entry));
      }
    } catch (const InputError& error) {  // the points lack a column or do not suffice
      comparison.left_out.push_back({name, error.what()});
    }
    require(options.laws.empty() || comparison.left_out.empty(), "compare: {}: {}", name,
            comparison.left_out.empty() ? "" : comparison.left_out.back().reason);
  }
  require(!entries.empty(),
          "compare: no law can be fitted to less compute and held against more: needed points at "
          "several compute values, more of them than a law has parameters below the largest");
  return entries;
}

}  // namespace

Comparison compare(const Points& points, const CompareOptions& options) {
  const Points prepared = prepare(points);
  require(!prepared.flops.empty(),
          "compare: the points have no compute to cut by: needed flops, or params and tokens");
  const std::vector<double> cuts = compute_cuts(prepared);
  Comparison comparison;
  comparison.points = prepared.size();
  std::vector<Entry> entries = roll_all(prepared, cuts, options, comparison);
  const std::vector<std::size_t> used = common_cuts(entries, cuts.size());
  for (const std::size_t cut : used) {
    comparison.cuts.push_back(cuts[cut]);
    comparison.held_out.push_back(static_cast<std::size_t>(
        std::ranges::count_if(prepared.flops, [&](double flops) { return flops > cuts[cut]; })));
  }
  for (Entry& entry : entries) {
    fill_misses(prepared, cuts, used, entry);
    summarise(entry);
  }
  std::ranges::stable_sort(entries, {}, [](const Entry& entry) { return entry.result.rollout; });
  test_differences(prepared, options, entries);
  for (Entry& entry : entries) comparison.laws.push_back(std::move(entry.result));
  return comparison;
}

}  // namespace isoflop::laws
