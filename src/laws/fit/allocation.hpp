// The best split of a budget into parameters N and tokens D that the values of a fit imply.
//
// A budget pays for training, 6 N D FLOP, and for reading `inference_tokens` later, 2 N each
// (Sardana & Frankle 2024, arXiv 2401.00448, equation 2): T = 6 N D + 2 N D_inf. At the best D
//
//   d ln L / d ln N = (D + D_inf / 3) / D  d ln L / d ln D,
//
// which is solved to about 1e-11 in ln D (0.5% where a law has a kink there: repeated-data);
// without inference laws use their closed form.
#pragma once

#include <optional>
#include <vector>

#include "laws/fit/fit.hpp"
#include "laws/law/law.hpp"

namespace isoflop::laws {

/// What a split has to pay for, and to fit into.
struct Demand {
  double inference_tokens = 0;
  std::optional<double> unique_tokens;  // of the training data, for laws that read them
  std::optional<double> most_params;    // that the machine can train
};

struct Split {
  double params = 0;
  double tokens = 0;
  double log_loss = 0;
};

/// Where a search for the best split ended. At an end the loss falls on, beyond it: no split is
/// best.
enum class End { none, one_token, one_parameter };
End end_of(const Split& split);

/// `best` of a budget. Throws InputError where the loss falls on to an end, one token or one
/// parameter: there is none, or it lies there or, of a closed form, beyond.
const Split& require_inside(const std::optional<Split>& best, double flops);

/// N and D of lowest loss for a budget, T = 6 N D + 2 N D_inf, up to the largest N there may be.
class SplitPlanner {
 public:
  /// References `fit`, which must outlive it. Throws InputError when the fit knows the frontier
  /// only and the demand leaves it, or when the law reads what the demand does not give.
  SplitPlanner(const Fit& fit, const Demand& demand);

  /// Whether the law has a trade-off of N and D at all.
  bool has_trade_off() const;

  /// `state` of the fit: its own, or a draw's (theta.hpp). An ensemble's best split is that of the
  /// mixture, of which a state holds the first law; the others stay as fitted. Empty: no trade-off,
  /// or the loss has no minimum between 1 token and 1 parameter.
  std::optional<Split> best(const std::vector<double>& state, double total_flops) const;

  /// The smallest T, from 1e6 on, whose best split reaches `loss`; empty: even kMostFlops do not.
  std::optional<double> cheapest(const std::vector<double>& state, double loss) const;

  static constexpr double kMostFlops = 1e36;

 private:
  const Fit* fit_;
  const Law* law_;
  Demand demand_;
};

}  // namespace isoflop::laws
