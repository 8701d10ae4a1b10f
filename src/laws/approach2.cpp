#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "laws/bootstrap.hpp"
#include "laws/frontier.hpp"
#include "laws/linear_algebra.hpp"

namespace isoflop::laws {
namespace {

constexpr double kNeighbourRatio = 1.2;
constexpr double kWidestBudget = 1.5;
constexpr std::size_t kPointsOfBudget = 4;
constexpr std::size_t kBudgetsNeeded = 3;

using Rows = std::vector<std::size_t>;

std::vector<Rows> split_by_budget(const Points& points) {
  Rows order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return points.flops[a] < points.flops[b]; });
  std::vector<Rows> budgets;
  for (const std::size_t row : order) {
    if (budgets.empty() ||
        points.flops[row] > kNeighbourRatio * points.flops[budgets.back().back()])
      budgets.emplace_back();
    budgets.back().push_back(row);
  }
  for (const Rows& rows : budgets) {
    const double low = points.flops[rows.front()];
    const double high = points.flops[rows.back()];
    require(high <= kWidestBudget * low,
            "approach2: compute runs without a gap from {:.4g} to {:.4g} FLOP; needs IsoFLOP "
            "budgets, groups of "
            "points within {:g}x that lie more than {:g}x apart: use --method approach3",
            low, high, kWidestBudget, kNeighbourRatio);
  }
  return budgets;
}

/// The logs that the parabolas of one budget need.
struct Profile {
  Rows rows;
  std::vector<double> log_params;
  std::vector<double> log_tokens;
  std::vector<double> loss;
  std::vector<double> weight;  // as given
  double flops = 0;            // geometric mean
};

Profile make_profile(const Points& points, const Rows& rows) {
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
  std::string rejected;
};

Vertex minimum_of_parabola(const std::vector<double>& x, const std::vector<double>& y,
                           const std::vector<double>& weight) {
  const Polynomial parabola = fit_polynomial(x, y, weight, 2);
  if (!parabola.ok) return {0, 0, "fewer than 3 sizes"};
  const auto [c0, c1, c2] = parabola.coefficient;
  if (!(c2 > 0)) return {0, 0, "the parabola opens downwards: no minimum"};
  const double offset = -c1 / (2 * c2);
  const Vertex vertex{parabola.centre + offset, c0 + offset * (c1 + c2 * offset), ""};
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  if (vertex.x <= *low) return {vertex.x, vertex.y, "the minimum lies below the smallest size"};
  if (vertex.x >= *high) return {vertex.x, vertex.y, "the minimum lies above the largest size"};
  return vertex;
}

Budget estimate(const Profile& profile, const std::vector<double>& weight) {
  Budget budget{profile.flops, profile.rows.size(), 0, 0, 0, ""};
  const Vertex by_params = minimum_of_parabola(profile.log_params, profile.loss, weight);
  const Vertex by_tokens = minimum_of_parabola(profile.log_tokens, profile.loss, weight);
  budget.params = std::exp(by_params.x);
  budget.tokens = std::exp(by_tokens.x);
  budget.loss = by_params.y;
  budget.rejected = by_params.rejected.empty() ? by_tokens.rejected : by_params.rejected;
  if (profile.rows.size() < kPointsOfBudget)
    budget.rejected = fmt::format("{} points, needs {}", profile.rows.size(), kPointsOfBudget);
  return budget;
}

Frontier frontier_of(const std::vector<Budget>& budgets) {
  Frontier frontier;
  for (const Budget& budget : budgets) {
    if (!budget.rejected.empty()) continue;
    frontier.flops.push_back(budget.flops);
    frontier.params.push_back(budget.params);
    frontier.tokens.push_back(budget.tokens);
    frontier.loss.push_back(budget.loss);
  }
  return frontier;
}

void leave_out_rejected(const Points& points, const std::vector<Profile>& profiles, Fit& result) {
  for (std::size_t k = 0; k < profiles.size(); ++k) {
    const Budget& budget = result.budgets[k];
    if (budget.rejected.empty()) continue;
    result.used -= budget.points;
    for (const std::size_t row : profiles[k].rows)
      result.left_out.push_back(
          {points.name.empty()
               ? fmt::format("N {:.6g}, D {:.6g}", points.params[row], points.tokens[row])
               : points.name[row],
           fmt::format("its budget of {:.3g} FLOP has no estimate: {}", budget.flops,
                       budget.rejected)});
  }
}

void bootstrap(const Points& points, const std::vector<Profile>& profiles,
               const FitOptions& options, const std::vector<double>& full, Fit& result) {
  const Clusters clusters(points.size(), points.group);
  result.draws.asked = options.bootstrap;
  result.draws.clusters = clusters.count();
  for (std::size_t d = 0; d < options.bootstrap; ++d) {
    const std::vector<double> counts = clusters.counts(options.seed, static_cast<std::uint32_t>(d));
    std::vector<Budget> budgets;
    for (const Profile& profile : profiles) {
      std::vector<double> weight = profile.weight;
      for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= counts[profile.rows[i]];
      budgets.push_back(estimate(profile, weight));
    }
    if (auto row = fit_frontier(frontier_of(budgets), &full)) result.draws.rows.push_back(*row);
  }
}

}  // namespace

void fit_approach2(const Points& prepared, const FitOptions& options, Fit& result) {
  std::vector<Profile> profiles;
  for (const Rows& rows : split_by_budget(prepared))
    profiles.push_back(make_profile(prepared, rows));
  std::size_t edges = 0;
  for (const Profile& profile : profiles) {
    result.budgets.push_back(estimate(profile, profile.weight));
    edges += result.budgets.back().rejected.starts_with("the minimum lies");
  }
  const Frontier frontier = frontier_of(result.budgets);
  require(frontier.flops.size() >= kBudgetsNeeded,
          "{}approach2: {} of {} compute budgets have a minimum inside their sizes; needs {}: add "
          "sizes around the "
          "lowest loss, or use --method approach3",
          prepared.source.empty() ? "" : prepared.source + ": ", frontier.flops.size(),
          profiles.size(), kBudgetsNeeded);
  if (edges > 0)
    result.warnings.push_back(
        fmt::format("the lowest loss lies at the edge of the sizes at {} of {} budgets: add "
                    "smaller or larger sizes there",
                    edges, profiles.size()));
  const std::vector<double> full = *fit_frontier(frontier);
  leave_out_rejected(prepared, profiles, result);
  bootstrap(prepared, profiles, options, full, result);
  summarise_frontier(full, result);
}

}  // namespace isoflop::laws
