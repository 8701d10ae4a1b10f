// Best splits of laws whose loss falls again, without an end, far outside their points.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/numerics/root.hpp"
#include "laws/plan/optimal.hpp"
#include "laws/plan/optimal_report.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

// Fitted to 50 points of Farseer's own law with 0.4% of noise, N 1e7 to 7e8: its loss is least
// about N = 9e7 at 1e18 FLOP, and vanishes towards one token.
const std::vector<double> kFallsAgain = {-0.00091577129, -0.10569476, 0.30886794,
                                         -1.1559603,     19.757889,   0.12789855,
                                         -0.0001953471,  -0.37319204, 0.41451101};
Fit fit_that_falls_again() {
  Fit fit = synthetic::fit_of("farseer", kFallsAgain);
  fit.params = {1e7, 7e8};
  fit.tokens = {1e9, 4e10};
  return fit;
}

// At 1e20 FLOP its loss falls on to one token.
const std::vector<double> kFallsOn = {16.2, 0.268,    -0.174, -4.6e-26, 7.07,
                                      2.92, -1.3e-27, -1.098, 3};
// Its own example.
const std::vector<double> kHasABest = {-0.021, 0.091,  0.169, 88.01, -6.287,
                                       -0.1,   -0.124, 0.424, 0.123};

TEST(LowestInside, IsAMinimumBeforeAnEnd) {
  const auto lowest = [](const std::vector<double>& values) {
    return lowest_inside(values, [&](std::size_t k) { return values[k]; }, false);
  };
  EXPECT_EQ(lowest({0, 5, 4, 3, 4, 2, 6, 7, 1}), 5u);
  EXPECT_EQ(lowest({3, 2, 2, 4}), 1u);
  EXPECT_EQ(lowest({3, 2, 1}), 2u);
  EXPECT_EQ(lowest({1, 2, 3}), 0u);
  const auto last = [](std::size_t k) { return 5 - k; };
  const auto first = [](std::size_t k) { return k; };
  EXPECT_EQ(lowest_inside({3, 1, 3, 2, 3}, last, false), 3u);
  EXPECT_EQ(lowest_inside({2, 3, 1, 3}, first, false), 2u);
  EXPECT_EQ(lowest_inside({2, 3, 1, 3}, first, true), 0u);
  EXPECT_EQ(lowest_inside({3, 2, 1, 3}, first, true), 2u);
  EXPECT_EQ(lowest_inside({2, 3, 1}, first, true), 0u);
}

TEST(Ends, TheBestSplitIsAMinimumNearThePoints) {
  const Fit fit = fit_that_falls_again();
  for (const double inference : {0.0, 1e8}) {
    Goal goal;
    goal.flops = 1e18;
    goal.demand.inference_tokens = inference;
    const Optimum best = optimal(fit, goal);
    EXPECT_GT(best.params, 4e7);
    EXPECT_LT(best.params, 2e8);
    for (const double factor : {0.8, 1.25}) {
      const double params = factor * best.params;
      const double tokens = (1e18 / params - 2 * inference) / 6;
      EXPECT_GT(predict(fit, params, tokens).value, best.prediction.value);
    }
  }
  EXPECT_LT(predict(fit, 1e17, 10 / 6.0).value, 0.1 * optimal(fit, 1e18).prediction.value);
}

TEST(Ends, DrawsWithoutABestSplitLeaveNoLimit) {
  Fit fit = synthetic::fit_of("farseer", kHasABest);
  fit.draws.rows.assign(80, kHasABest);
  fit.draws.rows.insert(fit.draws.rows.end(), 40, kFallsOn);
  fit.draws.asked = 120;
  const Optimum best = optimal(fit, 1e20);
  EXPECT_TRUE(std::isinf(best.params_interval->high));
  EXPECT_NEAR(best.params_interval->low / best.params, 1, 1e-6);
  EXPECT_LT(best.tokens_interval->low, 2);
  EXPECT_NEAR(best.flops_interval->high / 1e20, 1, 1e-9);
  EXPECT_TRUE(std::ranges::any_of(best.warnings, [](const std::string& warning) {
    return warning.starts_with("40 of 120 draws have no best split");
  }));
  EXPECT_NE(describe(fit, best).find("to no limit (80%)"), std::string::npos);

  fit.draws.rows.resize(85);  // fewer than lie beyond an end of the interval
  fit.draws.asked = 85;
  EXPECT_NEAR(optimal(fit, 1e20).params_interval->high / best.params, 1, 1e-6);
}

}  // namespace
}  // namespace isoflop::laws
