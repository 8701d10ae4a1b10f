#include "laws/predict/compare.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/robust_fit.hpp"
#include "laws/fit/rollout.hpp"

namespace isoflop::laws {
namespace {

constexpr double kNoiseLevel = 0.05;

/// The points above each cut.
using Above = std::vector<std::vector<std::size_t>>;

/// One law, and by how much its fit below each cut missed the points above; nothing where too few
/// lie below.
struct Entry {
  ComparedLaw result;
  std::vector<std::vector<double>> misses;
};

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
    if (law->response == Variable::loss && !law->reads_curves) names.emplace_back(law->name);
  return names;
}

Above find_above(const Cuts& cuts) {
  Above above(cuts.sizes.size());
  for (std::size_t cut = 0; cut < above.size(); ++cut)
    for (std::size_t i = 0; i < cuts.extents.size(); ++i)
      if (cuts.size(i) > cuts.sizes[cut]) above[cut].push_back(i);
  return above;
}

/// Of a row a point, which every law of the loss has.
std::vector<double> misses_of(const LawRollout& rollout, std::size_t cut,
                              const std::vector<std::size_t>& above) {
  std::vector<double> misses;
  if (!rollout.stages[cut]) return misses;
  misses.reserve(above.size());
  for (const std::size_t i : above) {
    const Forecast there =
        forecast(*rollout.contender.law, rollout.samples.row(i), *rollout.stages[cut]);
    misses.push_back(capped_miss(there.value - rollout.samples.y[i]));
  }
  return misses;
}

/// The fit to all points and the refits below the cuts.
Entry roll(const Points& prepared, const std::string& name, const Cuts& cuts, const Above& above,
           const CompareOptions& options) {
  const Law& law = find_law(name);
  require(!law.reads_curves, "it predicts whole curves, not runs");
  const Contender contender =
      choose_contenders(prepared, {.law = name, .huber_delta = options.huber_delta}).front();
  const LawRollout rollout =
      search_and_roll(contender, prepared, cuts, options.huber_delta, Starts::all).rollout;
  Entry entry;
  for (std::size_t cut = 0; cut < above.size(); ++cut)
    entry.misses.push_back(misses_of(rollout, cut, above[cut]));
  entry.result.law = name;
  if (law.any_variable) entry.result.variable = to_string(contender.variables.front());
  entry.result.parameters = law.size();
  entry.result.in_sample = rollout.stages.back()->residual_rms;
  return entry;
}

/// Keeps the misses above these cuts.
void keep_cuts(const std::vector<std::size_t>& used, Entry& entry) {
  std::vector<std::vector<double>> kept;
  for (const std::size_t cut : used) kept.push_back(std::move(entry.misses[cut]));
  entry.misses = std::move(kept);
}

/// Mean over cuts of the mean squared miss; `counts` weighs the points.
double mean_square(const Entry& entry, const Above& above, const std::vector<double>& counts) {
  double sum = 0;
  double cuts = 0;
  for (std::size_t cut = 0; cut < above.size(); ++cut) {
    double squares = 0;
    double weight = 0;
    for (std::size_t k = 0; k < above[cut].size(); ++k) {
      const double count = counts[above[cut][k]];
      squares += count * entry.misses[cut][k] * entry.misses[cut][k];
      weight += count;
    }
    if (weight == 0) continue;  // a draw without this cut's points
    sum += squares / weight;
    cuts += 1;
  }
  return cuts > 0 ? sum / cuts : 0;
}

void summarise(std::size_t points, const Above& above, Entry& entry) {
  double sum = 0;
  double count = 0;
  for (const std::vector<double>& misses : entry.misses) {
    double squares = 0;
    for (const double miss : misses) {
      squares += miss * miss;
      sum += miss;
    }
    const auto held_out = static_cast<double>(misses.size());
    count += held_out;
    entry.result.rms_of_cut.push_back(std::sqrt(squares / held_out));
  }
  entry.result.bias = sum / count;
  entry.result.rollout = std::sqrt(mean_square(entry, above, std::vector<double>(points, 1.0)));
}

/// In how many draws of the points each law is at least as good as the first.
void test_differences(const Points& prepared, const Above& above, const CompareOptions& options,
                      std::vector<Entry>& entries) {
  if (options.bootstrap == 0) return;
  const Clusters clusters(prepared.size(), prepared.group);
  std::vector<double> as_good(entries.size(), 0.0);
  for (std::size_t draw = 0; draw < options.bootstrap; ++draw) {
    const auto counts = clusters.counts(options.seed, static_cast<std::uint32_t>(draw));
    const double best = mean_square(entries.front(), above, counts);
    for (std::size_t m = 0; m < entries.size(); ++m)
      as_good[m] += mean_square(entries[m], above, counts) <= best;
  }
  for (std::size_t m = 0; m < entries.size(); ++m) {
    const double share = as_good[m] / static_cast<double>(options.bootstrap);
    entries[m].result.p_better = share;
    entries[m].result.within_noise = share >= kNoiseLevel;
  }
}

/// The cuts below which every law has enough points.
std::vector<std::size_t> common_cuts(const std::vector<Entry>& entries, std::size_t count) {
  std::vector<std::size_t> used;
  for (std::size_t cut = 0; cut < count; ++cut)
    if (std::ranges::all_of(entries, [&](const Entry& e) { return !e.misses[cut].empty(); }))
      used.push_back(cut);
  return used;
}

std::vector<Entry> roll_all(const Points& prepared, const Cuts& cuts, const Above& above,
                            const CompareOptions& options, Comparison& comparison) {
  std::vector<Entry> entries;
  for (const std::string& name : laws_to_compare(options)) {
    try {
      Entry entry = roll(prepared, name, cuts, above, options);
      if (above.empty() || entry.misses.back().empty()) {
        comparison.left_out.push_back({name, "too few points below any cut of compute"});
      } else {
        entries.push_back(std::move(entry));
      }
    } catch (const InputError& error) {  // the points lack a column or do not suffice
      std::string_view reason = error.what();
      if (const std::string file = prepared.source + ": "; reason.starts_with(file))
        reason.remove_prefix(file.size());
      if (reason.starts_with(name + ": ")) reason.remove_prefix(name.size() + 2);
      comparison.left_out.push_back({name, std::string(reason)});
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

ComparedColumns columns_to_compare(const CompareOptions& options) {
  ComparedColumns columns;
  columns.needed = {Variable::loss};
  std::vector<Variable>& read = options.laws.empty() ? columns.wanted : columns.needed;
  for (const std::string& name : laws_to_compare(options))
    for (const Variable variable : find_law(name).columns())
      if (!reads(read, variable)) read.push_back(variable);
  return columns;
}

Comparison compare(const Points& points, const CompareOptions& options) {
  Points prepared = merge_repeats(prepare(points));
  if (options.drop_worst > 0) prepared = drop_worst(prepared, options.drop_worst);
  require(!prepared.flops.empty(),
          "compare: the points have no compute to cut by: needed flops, or params and tokens");
  conventions_of(prepared, false);  // throws for losses that do not go into one fit
  const Cuts cuts = cut_points(prepared, growth_in_compute(prepared));
  Comparison comparison;
  comparison.points = prepared.size();
  comparison.worst_left_out = options.drop_worst;
  const Above above_all = find_above(cuts);
  std::vector<Entry> entries = roll_all(prepared, cuts, above_all, options, comparison);
  const std::vector<std::size_t> used = common_cuts(entries, above_all.size());
  Above above;
  for (const std::size_t cut : used) {
    comparison.cuts.push_back(cuts.sizes[cut]);
    comparison.held_out.push_back(above_all[cut].size());
    above.push_back(above_all[cut]);
  }
  for (Entry& entry : entries) {
    keep_cuts(used, entry);
    summarise(prepared.size(), above, entry);
  }
  std::ranges::stable_sort(entries, {}, [](const Entry& entry) { return entry.result.rollout; });
  test_differences(prepared, above, options, entries);
  for (Entry& entry : entries) comparison.laws.push_back(std::move(entry.result));
  return comparison;
}

}  // namespace isoflop::laws
