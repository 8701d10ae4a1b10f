#include "laws/fit/budgets.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/text.hpp"
#include "laws/numerics/linear_algebra.hpp"

namespace isoflop::laws {
namespace {

Profile make_profile(const Points& points, const std::vector<std::size_t>& rows) {
  Profile profile;
  profile.rows = rows;
  double log_flops = 0;
  for (const std::size_t row : rows) {
    profile.log_params.push_back(std::log(points.params[row]));
    profile.log_tokens.push_back(std::log(points.tokens[row]));
    profile.loss.push_back(points.loss[row]);
    profile.weight.push_back(points.weight[row]);
    log_flops += std::log(points.flops[row]) / static_cast<double>(rows.size());
  }
  profile.flops = std::exp(log_flops);
  return profile;
}

struct Vertex {
  double x = 0;
  double y = 0;
  Edge edge = Edge::none;
  std::string rejected;  // why there is no estimate, the edge apart
};

/// Standard error of the parabola's second coefficient; 0 when it goes through all points.
double error_of_curvature(const Polynomial& parabola, const std::vector<double>& x,
                          const std::vector<double>& y, const std::vector<double>& weight) {
  std::vector<double> square;
  for (const double value : x)
    square.push_back((value - parabola.centre) * (value - parabola.centre));
  const Polynomial line = fit_polynomial(x, square, weight, 1);
  const auto [c0, c1, c2] = parabola.coefficient;
  double residual = 0;
  double lever = 0;  // what the square says beyond the line
  double freedom = -3;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = x[i] - parabola.centre;
    const double miss = y[i] - (c0 + u * (c1 + c2 * u));
    const double beyond = square[i] - line.coefficient[0] - line.coefficient[1] * u;
    residual += weight[i] * miss * miss;
    lever += weight[i] * beyond * beyond;
    freedom += weight[i] > 0 ? 1 : 0;
  }
  return freedom > 0 ? std::sqrt(residual / freedom / lever) : 0;
}

/// `errors`: how many standard errors of its own the curvature must have.
Vertex minimum_of_parabola(const std::vector<double>& x, const std::vector<double>& y,
                           const std::vector<double>& weight, double errors) {
  const Polynomial parabola = fit_polynomial(x, y, weight, 2);
  if (!parabola.ok) return {0, 0, Edge::none, "fewer than 3 sizes"};
  const auto [c0, c1, c2] = parabola.coefficient;
  if (!(c2 > 0)) return {0, 0, Edge::none, "the parabola opens downwards: no minimum"};
  const double offset = -c1 / (2 * c2);
  Vertex vertex{parabola.centre + offset, c0 + offset * (c1 + c2 * offset), Edge::none, ""};
  const double error = error_of_curvature(parabola, x, y, weight);
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  if (c2 < errors * error)
    vertex.rejected =
        fmt::format("too little curvature to place a minimum ({:.3g} +- {:.2g})", c2, error);
  else if (vertex.x <= *low)
    vertex.edge = Edge::below;
  else if (vertex.x >= *high)
    vertex.edge = Edge::above;
  return vertex;
}

}  // namespace

Profiles split_by_budget(const Points& points) {
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return points.flops[a] < points.flops[b]; });
  std::vector<std::vector<std::size_t>> budgets;
  for (const std::size_t row : order) {
    if (budgets.empty() ||
        points.flops[row] > kNeighbourRatio * points.flops[budgets.back().back()])
      budgets.emplace_back();
    budgets.back().push_back(row);
  }
  Profiles found;
  for (const std::vector<std::size_t>& rows : budgets) {
    const Range range{points.flops[rows.front()], points.flops[rows.back()]};
    if (range.high > kWidestBudget * range.low && !found.without_gap) found.without_gap = range;
    found.profiles.push_back(make_profile(points, rows));
  }
  return found;
}

ProfileMinimum find_minimum(const Profile& profile, const std::vector<double>& weight,
                            double errors) {
  const Vertex by_params = minimum_of_parabola(profile.log_params, profile.loss, weight, errors);
  const Vertex by_tokens = minimum_of_parabola(profile.log_tokens, profile.loss, weight, errors);
  ProfileMinimum minimum{{profile.flops, profile.rows.size(), std::exp(by_params.x),
                          std::exp(by_tokens.x), by_params.y, ""}};
  std::string& rejected = minimum.budget.rejected;
  rejected = by_params.rejected.empty() ? by_tokens.rejected : by_params.rejected;
  if (profile.rows.size() < kPointsOfBudget)
    rejected = fmt::format("{} points, needs {}", profile.rows.size(), kPointsOfBudget);
  if (!rejected.empty()) return minimum;
  minimum.edge = by_params.edge;
  if (minimum.edge == Edge::none && by_tokens.edge != Edge::none)  // few tokens are many params
    minimum.edge = by_tokens.edge == Edge::below ? Edge::above : Edge::below;
  if (minimum.edge == Edge::below) rejected = "the minimum lies below the smallest size";
  if (minimum.edge == Edge::above) rejected = "the minimum lies above the largest size";
  return minimum;
}

std::string missing_sizes(const std::vector<Profile>& profiles, const std::vector<Edge>& edges) {
  std::vector<std::string> sizes;
  std::vector<std::string> places;
  for (std::size_t k = 0; k < profiles.size(); ++k) {
    if (edges[k] == Edge::none) continue;
    const auto [low, high] =
        std::minmax_element(profiles[k].log_params.begin(), profiles[k].log_params.end());
    sizes.push_back(edges[k] == Edge::above ? "above " + short_count(std::exp(*high))
                                            : "below " + short_count(std::exp(*low)));
    places.push_back(fmt::format("{} at {:.3g} FLOP", sizes.back(), profiles[k].flops));
  }
  const bool agree = std::ranges::all_of(sizes, [&](const auto& size) { return size == sizes[0]; });
  return "add sizes " + (agree ? sizes[0] : fmt::format("{}", fmt::join(places, ", ")));
}

std::string describe_edges(const std::vector<Profile>& profiles, const std::vector<Edge>& edges) {
  const auto beyond = std::ranges::count_if(edges, [](Edge edge) { return edge != Edge::none; });
  if (beyond == 0) return "";
  return fmt::format("the best N sits at the edge of your grid at {} of {} budgets: {}", beyond,
                     edges.size(), missing_sizes(profiles, edges));
}

}  // namespace isoflop::laws
