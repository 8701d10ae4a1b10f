#include "laws/fit/interval.hpp"

#include <algorithm>
#include <cmath>

#include "laws/fit/bootstrap.hpp"

namespace isoflop::laws {

std::optional<Interval> interval_over_draws(std::vector<double> drawn, double level,
                                            std::string covers) {
  const bool unknown = std::ranges::any_of(drawn, [](double value) { return std::isnan(value); });
  if (drawn.size() < 2 || unknown) return std::nullopt;
  std::ranges::sort(drawn);
  return Interval{level, quantile(drawn, (1 - level) / 2), quantile(drawn, (1 + level) / 2),
                  std::move(covers)};
}

}  // namespace isoflop::laws
