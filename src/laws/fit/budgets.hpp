// IsoFLOP profiles: points of one compute budget, and the size of lowest loss among them, by a
// parabola of the loss in ln N (and one in ln D).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "laws/fit/fit.hpp"

namespace isoflop::laws {

/// Points within kNeighbourRatio of a neighbour's compute are one budget.
inline constexpr double kNeighbourRatio = 1.2;
inline constexpr double kWidestBudget = 1.5;
inline constexpr std::size_t kPointsOfBudget = 4;  // for a minimum
inline constexpr double kCurvatureErrors = 2;  // a curvature is at least as many standard errors

/// The logs that the parabolas of one budget need.
struct Profile {
  std::vector<std::size_t> rows;  // of the points
  std::vector<double> log_params;
  std::vector<double> log_tokens;
  std::vector<double> loss;
  std::vector<double> weight;  // as given
  double flops = 0;            // geometric mean
};

struct Profiles {
  std::vector<Profile> profiles;     // by compute
  std::optional<Range> without_gap;  // compute that runs over more than kWidestBudget: no budget
};
Profiles split_by_budget(const Points& points);

/// Where the best N lies beyond the sizes.
enum class Edge { none, below, above };

struct ProfileMinimum {
  Budget budget;
  Edge edge = Edge::none;
};

/// The minimum of one profile; `weight` of its points. `errors`: how many standard errors of its
/// own the curvature must have.
ProfileMinimum find_minimum(const Profile& profile, const std::vector<double>& weight,
                            double errors);

/// "add sizes above 40M at 1e+19 FLOP and below 2M at 1e+21 FLOP", one size when they agree.
std::string missing_sizes(const std::vector<Profile>& profiles, const std::vector<Edge>& edges);

/// "the best N sits at the edge of your grid at 1 of 5 budgets: add sizes above 196M"; empty when
/// it does nowhere.
std::string describe_edges(const std::vector<Profile>& profiles, const std::vector<Edge>& edges);

}  // namespace isoflop::laws
