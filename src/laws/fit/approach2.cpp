#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/budgets.hpp"
#include "laws/fit/frontier.hpp"
#include "laws/law/law.hpp"
#include "laws/numerics/linear_algebra.hpp"
#include "laws/search/search.hpp"

namespace isoflop::laws {
namespace {

constexpr std::size_t kBudgetsNeeded = 3;
constexpr std::size_t kFewestBudgetsForNested = 5;  // below a nested cut
constexpr std::size_t kEveryStart = 45;  // of the 4,500: enough for points near an IsoFLOP grid

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
  std::vector<std::size_t> rows;
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

/// Standard deviation of ln loss of the runs about the parabola of their budget.
double scatter_about_parabolas(const std::vector<Profile>& profiles) {
  double squares = 0;
  double freedom = 0;
  for (const Profile& profile : profiles) {
    const Polynomial parabola = fit_polynomial(profile.log_params, profile.loss, profile.weight, 2);
    const auto [c0, c1, c2] = parabola.coefficient;
    const double mean = std::accumulate(profile.weight.begin(), profile.weight.end(), 0.0) /
                        static_cast<double>(profile.weight.size());
    for (std::size_t i = 0; i < profile.loss.size(); ++i) {
      const double u = profile.log_params[i] - parabola.centre;
      const double miss = (c0 + u * (c1 + c2 * u)) / profile.loss[i] - 1;
      squares += profile.weight[i] / mean * miss * miss;
    }
    freedom += static_cast<double>(profile.loss.size()) - 3;
  }
  return std::sqrt(squares / freedom);
}

/// How many draws have no minimum at one budget, and where it lies in them.
struct LostMinima {
  std::size_t draws = 0;
  std::size_t below = 0;  // the sizes
  std::size_t above = 0;

  void count(const ProfileMinimum& minimum) {
    draws += !minimum.budget.rejected.empty();
    below += minimum.edge == Edge::below;
    above += minimum.edge == Edge::above;
  }
};

/// The sizes that would keep the minimum that most draws lose.
std::string remedy_for(const std::vector<Profile>& profiles, const std::vector<LostMinima>& lost) {
  const auto worst = std::ranges::max_element(lost, {}, &LostMinima::draws);
  if (worst == lost.end() || worst->draws == 0) return "for intervals use --method approach3";
  const Profile& profile = profiles[static_cast<std::size_t>(worst - lost.begin())];
  const std::size_t beyond = std::max(worst->below, worst->above);
  const Edge edge = worst->above == beyond ? Edge::above : Edge::below;
  const std::string sizes = 2 * beyond > worst->draws ? missing_sizes({profile}, {edge})
                                                      : "add sizes around the lowest loss";
  return fmt::format(
      "{} draws have no minimum at {:.3g} FLOP, the most of any budget: {}, or use "
      "--method approach3",
      worst->draws, profile.flops, sizes);
}

/// Fills the draws; what would help those that leave something open.
std::string bootstrap(const InUse& used, const FitOptions& options, const std::vector<double>& full,
                      Fit& result) {
  const Clusters clusters(used.points.size(), used.points.group);
  result.draws.clusters = clusters.count();
  if (clusters.count() < 2) return "";  // every draw would be the same
  std::vector<LostMinima> lost(used.profiles.size());
  result.draws.asked = options.bootstrap;
  for (std::size_t d = 0; d < options.bootstrap; ++d) {
    const std::vector<double> counts = clusters.counts(options.seed, static_cast<std::uint32_t>(d));
    std::vector<Budget> budgets;
    for (std::size_t k = 0; k < used.profiles.size(); ++k) {
      const Profile& profile = used.profiles[k];
      std::vector<double> weight = profile.weight;
      for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= counts[profile.rows[i]];
      // Flat parabolas stay: without them the draws would spread too little.
      const ProfileMinimum minimum = find_minimum(profile, weight, 0);
      lost[k].count(minimum);
      budgets.push_back(minimum.budget);
    }
    if (auto row = fit_frontier(frontier_of(budgets), options.huber_delta, &full))
      result.draws.rows.push_back(*row);
  }
  return remedy_for(used.profiles, lost);
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
  const auto [profiles, without_gap] = split_by_budget(prepared);
  require(
      !without_gap,
      "approach2: compute runs without a gap from {:.4g} to {:.4g} FLOP; needs IsoFLOP budgets, "
      "groups of points within {:g}x that lie more than {:g}x apart: use --method approach3",
      without_gap.value_or(Range{}).low, without_gap.value_or(Range{}).high, kWidestBudget,
      kNeighbourRatio);
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
  if (beyond > 0) result.warnings.push_back(describe_edges(profiles, edges));
  const std::vector<double> full = *fit_frontier(frontier, options.huber_delta);
  leave_out_rejected(prepared, profiles, result);
  const InUse used = in_use(prepared, profiles, result.budgets);
  result.residual_rms = scatter_about_parabolas(used.profiles);
  calibrate_frontier(frontier, full, options.huber_delta, kFewestBudgetsForNested, result);
  const std::string remedy = bootstrap(used, options, full, result);
  report_bias(used, options, result);
  summarise_frontier(full, remedy, result);
}

}  // namespace isoflop::laws
