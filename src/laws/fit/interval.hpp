// Where a value may lie: what predictions and plans print beside it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace isoflop::laws {

struct Interval {
  double level = 0;
  double low = 0;
  double high = 0;
  std::string covers;
  std::string not_calibrated = {};  // why no miss of a larger run widened it; empty: they did
  /// Share of held-out points that such intervals held, each made from smaller runs alone (nested
  /// rollout); empty when the points do not allow the count.
  std::optional<double> measured_coverage = {};
};

/// The central `level` of `drawn`. Infinite draws count at their end; empty for fewer than two
/// draws, and when one is NaN, which may lie anywhere.
std::optional<Interval> interval_over_draws(std::vector<double> drawn, double level,
                                            std::string covers = "parameters (bootstrap)");

}  // namespace isoflop::laws
