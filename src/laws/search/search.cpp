#include "laws/search/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/random.hpp"

namespace isoflop::laws {
namespace {

constexpr double kSameMinimum = 1e-7;
constexpr std::size_t kDirectStarts = 32;
constexpr std::size_t kCoarsePoints = 32;
constexpr std::size_t kMostEnds = 8;      // of a selection, held against all rows
constexpr std::size_t kMostPolished = 3;  // of those
constexpr std::size_t kFewStarts = 64;
constexpr std::size_t kQuickStarts = 8;
constexpr std::size_t kQuickEnds = 2;

bool same_place(const Vector& a, const Vector& b, std::size_t size, double tolerance) {
  for (std::size_t i = 0; i < size; ++i)
    if (std::fabs(a[i] - b[i]) > tolerance * (1 + std::fabs(a[i]))) return false;
  return true;
}

/// Equal places, or equal heights: along a flat valley (a term that vanished, whatever its
/// exponent) the place is arbitrary and the height is not.
bool same_minimum(const Minimum& a, const Minimum& b, std::size_t size) {
  if (!a.converged || !b.converged) return false;
  return std::fabs(a.objective - b.objective) <= kSameMinimum * a.objective ||
         same_place(a.theta, b.theta, size, kSameMinimum);
}

/// Files `minimum` under its basin; a place without a value of the objective is none.
void record(Search& search, const Minimum& minimum, int starts, std::size_t size) {
  if (!std::isfinite(minimum.objective)) {
    search.lost += starts;
    return;
  }
  for (std::size_t k = 0; k < search.basins.size(); ++k) {
    Minimum& basin = search.basins[k];
    const bool same_height =
        std::fabs(basin.objective - minimum.objective) <= 1e-9 * basin.objective + 1e-18;
    if (!same_height && !same_place(basin.theta, minimum.theta, size, 1e-6)) continue;
    search.reached[k] += starts;
    if (minimum.objective < basin.objective) basin = minimum;
    return;
  }
  search.basins.push_back(minimum);
  search.reached.push_back(starts);
}

/// Names the best. Where no start has found a value `any` stands for it.
void rank_basins(Search& search, const Minimum& any) {
  if (search.basins.empty()) {
    search.basins.push_back(any);
    search.reached.push_back(0);
  }
  std::vector<std::size_t> order(search.basins.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return search.basins[a].objective < search.basins[b].objective;
  });
  Search sorted;
  for (const std::size_t k : order) {
    sorted.basins.push_back(search.basins[k]);
    sorted.reached.push_back(search.reached[k]);
  }
  search.basins = std::move(sorted.basins);
  search.reached = std::move(sorted.reached);
  search.best = search.basins.front();
}

/// The objective at every start and the start's position, lowest first; NaN last.
std::vector<std::pair<double, std::size_t>> by_value(const Objective& objective,
                                                     std::span<const Vector> starts) {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t s = 0; s < starts.size(); ++s)
    order.emplace_back(value_or_infinity(objective, starts[s]), s);
  std::sort(order.begin(), order.end());
  return order;
}

/// An even selection of many rows.
class Selection {
 public:
  explicit Selection(const Objective& of)
      : rows_(thin_rows(of.samples())), objective_(of.law(), rows_, of.delta()) {}
  const Objective& objective() const { return objective_; }

 private:
  Samples rows_;
  Objective objective_;
};

/// Searches a selection, then descends on all rows from those of its best ends that fit them best.
Search search_selection(const Objective& objective, std::span<const Vector> starts) {
  const Selection selection(objective);
  const Search found = search(selection.objective(), starts);
  std::vector<Vector> ends;
  for (const Minimum& basin : found.basins)
    if (ends.size() < kMostEnds) ends.push_back(basin.theta);
  Search result;
  result.starts = found.starts;
  result.lost = found.lost;
  for (const auto& [value, k] : by_value(objective, ends))
    if (result.basins.size() < kMostPolished)
      record(result, polish(objective, ends[k]), found.reached[k], objective.law().size());
  rank_basins(result, found.best);
  return result;
}

/// The starts of the lowest wide loss on the few points.
std::vector<Vector> lowest_starts(const Objective& objective, std::span<const Vector> starts) {
  const Samples few = thin_out(objective.samples(), kCoarsePoints);
  const Objective wide(objective.law(), few, std::max(1.0, objective.delta()));
  std::vector<Vector> chosen;
  for (const auto& [value, s] : by_value(wide, starts))
    if (chosen.size() < kFewStarts) chosen.push_back(starts[s]);
  return chosen;
}

/// Coordinates that all starts share are drawn within 1 of them.
std::vector<Vector> random_starts(const Law& law, std::span<const Vector> starts) {
  constexpr std::uint64_t kSeed = 1;
  const Box box(law);
  Vector low = starts.front();
  Vector high = low;
  for (const Vector& start : starts)
    for (std::size_t i = 0; i < law.size(); ++i) {
      low[i] = std::min(low[i], start[i]);
      high[i] = std::max(high[i], start[i]);
    }
  RandomStream stream(kSeed, Purpose::starts);
  std::vector<Vector> drawn(kRandomStarts, Vector{});
  for (Vector& start : drawn)
    for (std::size_t i = 0; i < law.size(); ++i) {
      const double width = high[i] > low[i] ? high[i] - low[i] : 1.0;
      const double place = low[i] - width / 2 + (high[i] - low[i] + width) * stream.next_uniform();
      start[i] = box.clip(place, i);
    }
  return drawn;
}

/// Where a few of the law's starts end on the smoothed objective of the few points, lowest first.
std::vector<Vector> quick_ends(const Objective& objective) {
  const std::vector<Vector> starts = objective.law().starts(objective.samples());
  const Samples few = thin_out(objective.samples(), kCoarsePoints);
  const Objective coarse(objective.law(), few, objective.delta());
  const Objective wide = coarse.with_delta(std::max(1.0, objective.delta()));
  std::vector<Minimum> smooth;
  std::size_t tried = 0;
  for (const auto& [value, s] : by_value(wide, starts)) {
    if (tried++ == kQuickStarts) break;
    const Minimum minimum = minimise_smoothed(coarse, starts[s]);
    const auto is_same = [&](const Minimum& known) {
      return same_minimum(known, minimum, objective.law().size());
    };
    if (std::ranges::none_of(smooth, is_same)) smooth.push_back(minimum);
  }
  std::ranges::stable_sort(smooth, {}, &Minimum::objective);
  std::vector<Vector> ends;
  for (const Minimum& minimum : smooth) ends.push_back(minimum.theta);
  return ends;
}

}  // namespace

std::vector<Vector> choose_starts(const Objective& objective, Starts which) {
  if (objective.has_many_rows()) return choose_starts(Selection(objective).objective(), which);
  std::vector<Vector> starts = objective.law().starts(objective.samples());
  const std::vector<Vector> more =
      which == Starts::few ? std::vector<Vector>{} : random_starts(objective.law(), starts);
  if (which == Starts::few) starts = lowest_starts(objective, starts);
  for (const Vector& start : objective.law().projected_starts(objective.samples()))
    starts.push_back(start);
  starts.insert(starts.end(), more.begin(), more.end());
  return starts;
}

Search search(const Objective& objective, std::span<const Vector> starts) {
  const std::size_t size = objective.law().size();
  if (objective.has_many_rows()) return search_selection(objective, starts);
  Search result;
  result.starts = static_cast<int>(starts.size());

  const Samples few = thin_out(objective.samples(), kCoarsePoints);
  const Objective coarse(objective.law(), few, objective.delta());
  std::vector<Minimum> smooth;  // distinct minima of the wide loss of the few
  std::vector<std::size_t> leads_to(starts.size());
  for (std::size_t s = 0; s < starts.size(); ++s) {
    const Minimum minimum = minimise_smoothed(coarse, starts[s]);
    std::size_t k = 0;
    while (k < smooth.size() && !same_minimum(smooth[k], minimum, size)) ++k;
    if (k == smooth.size()) smooth.push_back(minimum);
    leads_to[s] = k;
  }
  std::vector<Minimum> final;
  for (const Minimum& minimum : smooth)
    final.push_back(minimise_gradually(objective, minimum.theta));

  const std::vector<std::pair<double, std::size_t>> by_objective = by_value(objective, starts);
  std::vector<Minimum> ends;
  for (const std::size_t k : leads_to) ends.push_back(final[k]);
  for (std::size_t k = 0; k < std::min(kDirectStarts, starts.size()); ++k) {
    const std::size_t s = by_objective[k].second;
    const Minimum direct = minimise(objective, starts[s]);
    if (direct.objective < ends[s].objective) ends[s] = direct;
  }
  for (const Minimum& end : ends) record(result, end, 1, size);
  rank_basins(result, ends.front());
  return result;
}

Vector search_quickly(const Objective& objective) {
  if (objective.has_many_rows())
    return polish(objective, search_quickly(Selection(objective).objective())).theta;
  std::vector<Vector> ends = objective.law().projected_starts(objective.samples());
  if (ends.empty()) ends = quick_ends(objective);
  ends.resize(std::min(kQuickEnds, ends.size()));
  Minimum best{ends.front(), std::numeric_limits<double>::infinity()};
  for (const Vector& theta : ends)
    for (const Minimum& end : {minimise(objective, theta), minimise_gradually(objective, theta)})
      if (end.objective < best.objective) best = end;
  return best.theta;
}

}  // namespace isoflop::laws
