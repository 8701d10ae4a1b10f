#include "laws/fit/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "core/random.hpp"

namespace isoflop::laws {

Clusters::Clusters(std::size_t size, const std::vector<std::string>& group) : cluster_(size) {
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < size; ++i) {
    if (group.empty() || group[i].empty()) {  // a point without a group is its own
      cluster_[i] = count_++;
      continue;
    }
    const auto [entry, is_new] = known.try_emplace(group[i], count_);
    if (is_new) ++count_;
    cluster_[i] = entry->second;
  }
}

std::vector<double> Clusters::counts(std::uint64_t seed, std::uint32_t draw) const {
  RandomStream stream(seed, Purpose::bootstrap, draw);
  std::vector<double> drawn(count_, 0.0);
  for (std::size_t k = 0; k < count_; ++k) drawn[stream.next_below(count_)] += 1;
  std::vector<double> counts(cluster_.size());
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = drawn[cluster_[i]];
  return counts;
}

double quantile(const std::vector<double>& sorted, double probability) {
  const double position = probability * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  if (position == static_cast<double>(below) || sorted[below] == sorted[above])
    return sorted[below];  // infinities too
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Estimate summarise(std::string name, double value, std::vector<double> draws, double level) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::erase_if(draws, [](double draw) { return std::isnan(draw); });
  std::sort(draws.begin(), draws.end());
  if (draws.size() < 2 || draws.front() == draws.back())
    return {std::move(name), value, nan, nan, nan};
  const auto n = static_cast<double>(draws.size());
  double mean = 0;
  for (const double draw : draws) mean += draw / n;
  double variance = 0;
  for (const double draw : draws)
    variance += (draw - mean) * (draw - mean) / (n - 1);  // may be NaN
  return {std::move(name), value, std::sqrt(variance), quantile(draws, (1 - level) / 2),
          quantile(draws, (1 + level) / 2)};
}

bool are_too_many_lost(std::size_t lost, std::size_t asked, double level) {
  constexpr double kRounding = 1 + 1e-9;  // 1 - .95 is a little less than .05
  return static_cast<double>(lost) > (1 - level) / 2 * static_cast<double>(asked) * kRounding;
}

double normal_half_width(double level) {
  double low = 0;
  double high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (std::erf(middle / std::sqrt(2.0)) < level ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace isoflop::laws
