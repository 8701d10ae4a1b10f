#include "laws/points/curves.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/error.hpp"

namespace isoflop::laws {

std::vector<Curve> split_curves(const Points& points) {
  std::vector<Curve> curves;
  std::map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::string group = points.group.empty() ? "" : points.group[i];
    const auto [entry, is_new] = known.try_emplace(group, curves.size());
    if (is_new) curves.emplace_back();
    curves[entry->second].push_back(i);
  }
  for (Curve& curve : curves) {
    std::stable_sort(curve.begin(), curve.end(), [&](std::size_t a, std::size_t b) {
      return points.steps[a] < points.steps[b];
    });
    for (std::size_t k = 1; k < curve.size(); ++k)
      require(
          points.steps[curve[k]] > points.steps[curve[k - 1]],
          "{}: step {:g} appears twice in one curve: give every run its own group, and keep one "
          "row a step",
          points.name.empty() ? "curves" : points.name[curve[k]], points.steps[curve[k]]);
  }
  return curves;
}

std::vector<std::string> curve_names(const Points& points) {
  std::vector<std::string> names(points.size());
  const std::vector<Curve> curves = split_curves(points);
  for (std::size_t k = 0; k < curves.size(); ++k)
    for (const std::size_t i : curves[k]) names[i] = fmt::format("curve {}", k + 1);
  return names;
}

}  // namespace isoflop::laws
