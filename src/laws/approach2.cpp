#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "laws/bootstrap.hpp"
#include "laws/frontier.hpp"
#include "laws/law.hpp"
#include "laws/linear_algebra.hpp"
#include "laws/report.hpp"
#include "laws/search.hpp"

namespace isoflop::laws {
namespace {

constexpr double kNeighbourRatio = 1.2;
constexpr double kWidestBudget = 1.5;
constexpr std::size_t kPointsOfBudget = 4;
constexpr std::size_t kBudgetsNeeded = 3;
constexpr double kCurvatureErrors = 2;   // a curvature is at least as many standard errors
constexpr std::size_t kEveryStart = 45;  // of the 4,500: enough for points near an IsoFLOP grid

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

enum class Edge { none, below, above };

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

/// The minimum of one profile. `edge`: where the best N lies beyond the sizes.
struct ProfileMinimum {
  Budget budget;
  Edge edge = Edge::none;
};

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

/// What the estimate rests on: the points of the budgets in use, and their profiles.
struct InUse {
  Points points;
  std::vector<Profile> profiles;
};

InUse in_use(const Points& prepared, const std::vector<Profile>& profiles,
             const std::vector<Budget>& budgets) {
  InUse used;
  Rows rows;
  for (std::size_t k = 0; k < profiles.size(); ++k) {
    if (!budgets[k].rejected.empty()) continue;
    used.profiles.push_back(profiles[k]);
    for (std::size_t& row : used.profiles.back().rows) {
      rows.push_back(row);
      row = rows.size() - 1;
    }
  }
  used.points = select(prepared, rows);
  return used;
}

void bootstrap(const InUse& used, const FitOptions& options, const std::vector<double>& full,
               Fit& result) {
  const Clusters clusters(used.points.size(), used.points.group);
  result.draws.clusters = clusters.count();
  if (clusters.count() < 2) return;  // every draw would be the same
  result.draws.asked = options.bootstrap;
  for (std::size_t d = 0; d < options.bootstrap; ++d) {
    const std::vector<double> counts = clusters.counts(options.seed, static_cast<std::uint32_t>(d));
    std::vector<Budget> budgets;
    for (const Profile& profile : used.profiles) {
      std::vector<double> weight = profile.weight;
      for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= counts[profile.rows[i]];
      // Flat parabolas stay: without them the draws would spread too little.
      budgets.push_back(find_minimum(profile, weight, 0).budget);
    }
    if (auto row = fit_frontier(frontier_of(budgets), options.huber_delta, &full))
      result.draws.rows.push_back(*row);
  }
}

/// "add sizes above 40M at 1e+19 FLOP and below 2M at 1e+21 FLOP", one size when they agree.
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

void warn_about_edges(const std::vector<Profile>& profiles, const std::vector<Edge>& edges,
                      Fit& result) {
  const auto beyond = std::ranges::count_if(edges, [](Edge edge) { return edge != Edge::none; });
  if (beyond > 0)
    result.warnings.push_back(
        fmt::format("the best N sits at the edge of your grid at {} of {} budgets: {}", beyond,
                    edges.size(), missing_sizes(profiles, edges)));
}

/// What approach 2 makes of the losses of `surface` (a Chinchilla law) at the sizes in use.
std::optional<ParabolaBias> bias_on(const Vector& surface, const InUse& used) {
  const Law& law = find_law("chinchilla");
  const Vector theta = law.coordinates(surface);
  std::vector<Budget> budgets;
  for (Profile profile : used.profiles) {
    double log_product = 0;
    for (std::size_t i = 0; i < profile.rows.size(); ++i) {
      const double x[2] = {profile.log_params[i], profile.log_tokens[i]};
      profile.loss[i] = std::exp(law.evaluate(x, theta.data(), nullptr, nullptr));
      log_product += (x[0] + x[1]) / static_cast<double>(profile.rows.size());
    }
    profile.flops = 6 * std::exp(log_product);
    budgets.push_back(find_minimum(profile, profile.weight, 0).budget);
  }
  const Frontier frontier = frontier_of(budgets);
  const FrontierLines lines = fit_lines(frontier);
  if (!lines.ok || frontier.flops.size() < kBudgetsNeeded) return std::nullopt;
  const double flops = *std::max_element(used.points.flops.begin(), used.points.flops.end());
  const Allocation truth = *law.optimum(surface, flops);
  return ParabolaBias{
      flops,
      lines.params_scale * std::pow(flops / 6, lines.params_exponent) / truth.params - 1,
      lines.tokens_scale * std::pow(flops / 6, lines.tokens_exponent) / truth.tokens - 1,
      lines.params_exponent - law.derived(surface)[0].value,
      surface[3],
      surface[4]};
}

/// The bias on the surface that approach 3 finds through the points of the budgets in use.
void report_bias(const InUse& used, const FitOptions& options, Fit& result) {
  const Law& law = find_law("chinchilla");
  if (used.points.size() < law.minimum_points()) return;
  const Samples samples = make_samples(law, used.points, law.variables);
  const std::vector<Vector> all = law.starts(samples);
  std::vector<Vector> starts;
  for (std::size_t i = 0; i < all.size(); i += kEveryStart) starts.push_back(all[i]);
  const Search found = search(Objective(law, samples, options.huber_delta), starts);
  result.bias = bias_on(law.values(found.best.theta), used);
  if (result.bias)
    result.notes.push_back(fmt::format(
        "bias of the parabolas: on the surface that approach 3 finds here (alpha {:.3g}, beta "
        "{:.3g}) they miss N* by {:+.2f}%, D* by {:+.2f}% at {:.2g} FLOP and a by {:+.4f}, without "
        "any noise",
        result.bias->alpha, result.bias->beta, 100 * result.bias->params, 100 * result.bias->tokens,
        result.bias->flops, result.bias->exponent));
}

}  // namespace

void fit_approach2(const Points& prepared, const FitOptions& options, Fit& result) {
  std::vector<Profile> profiles;
  for (const Rows& rows : split_by_budget(prepared))
    profiles.push_back(make_profile(prepared, rows));
  std::vector<Edge> edges;
  for (const Profile& profile : profiles) {
    const ProfileMinimum minimum = find_minimum(profile, profile.weight, kCurvatureErrors);
    result.budgets.push_back(minimum.budget);
    edges.push_back(minimum.edge);
  }
  const auto beyond = std::ranges::count_if(edges, [](Edge edge) { return edge != Edge::none; });
  const Frontier frontier = frontier_of(result.budgets);
  require(
      frontier.flops.size() >= kBudgetsNeeded,
      "{}approach2: {} of {} compute budgets have a minimum inside their sizes, needs {}: {}, or "
      "use --method approach3",
      prepared.source.empty() ? "" : prepared.source + ": ", frontier.flops.size(), profiles.size(),
      kBudgetsNeeded,
      beyond > 0 ? missing_sizes(profiles, edges) : "add sizes around the lowest loss");
  warn_about_edges(profiles, edges, result);
  const std::vector<double> full = *fit_frontier(frontier, options.huber_delta);
  leave_out_rejected(prepared, profiles, result);
  const InUse used = in_use(prepared, profiles, result.budgets);
  bootstrap(used, options, full, result);
  report_bias(used, options, result);
  summarise_frontier(full, result);
}

}  // namespace isoflop::laws
