#include "parallel/pipeline/stages.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.hpp"

namespace isoflop::parallel {
namespace {

constexpr double kImpossible = std::numeric_limits<double>::infinity();

// best[part][begin]: the least value of `join` over the cuts of items [begin, end) into `part`
// runs. `run` gives the value of one run (kImpossible forbids it), `join` puts it before the rest.
template <class Run, class Join>
std::vector<std::vector<double>> best_values(std::size_t items, std::size_t parts, Run&& run,
                                             Join&& join) {
  std::vector<std::vector<double>> best(parts + 1, std::vector<double>(items + 1, kImpossible));
  best[0][items] = 0.0;
  for (std::size_t part = 1; part <= parts; ++part) {
    for (std::size_t begin = 0; begin < items; ++begin) {
      for (std::size_t end = begin + 1; end <= items; ++end) {
        const double rest = best[part - 1][end];
        if (rest == kImpossible) continue;
        best[part][begin] = std::min(best[part][begin], join(run(begin, end), rest));
      }
    }
  }
  return best;
}

}  // namespace

std::vector<Extent> even_cuts(std::span<const double> costs, std::size_t parts) {
  const std::size_t items = costs.size();
  ISOFLOP_EXPECT(parts >= 1 && parts <= items);
  std::vector<double> until(items + 1, 0.0);  // cost of all items before
  std::partial_sum(costs.begin(), costs.end(), until.begin() + 1);
  const auto cost = [&](std::size_t begin, std::size_t end) { return until[end] - until[begin]; };

  const double dearest = best_values(
      items, parts, cost, [](double run, double rest) { return std::max(run, rest); })[parts][0];
  const auto square = [&](std::size_t begin, std::size_t end) {
    const double c = cost(begin, end);
    return c <= dearest ? c * c : kImpossible;
  };
  const auto best =
      best_values(items, parts, square, [](double run, double rest) { return run + rest; });

  std::vector<Extent> cuts;
  std::size_t begin = 0;
  for (std::size_t part = parts; part > 0; --part) {
    std::size_t end = items - (part - 1);  // the longest run first
    while (end > begin + 1 && square(begin, end) + best[part - 1][end] != best[part][begin]) --end;
    cuts.push_back({begin, end});
    begin = end;
  }
  return cuts;
}

}  // namespace isoflop::parallel
