#include "laws/plan/optimal.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "laws/plan/optimal_report.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

const Fit& epoch() {
  static const Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  return fit;
}

Goal with_inference(double flops, double tokens) {
  return {.flops = flops,
          .loss = {},
          .demand = {.inference_tokens = tokens, .unique_tokens = {}, .most_params = {}}};
}

Goal within(double flops, double most_params) {
  Goal goal = with_inference(flops, 0);
  goal.demand.most_params = most_params;
  return goal;
}

TEST(Optimal, PublishedOptimaOfGopherCompute) {
  const Optimum refit = optimal(epoch(), 5.76e23);
  EXPECT_NEAR(refit.params / 72.25e9, 1, 1e-3);
  EXPECT_NEAR(refit.tokens / 1.3288e12, 1, 1e-3);
  const Optimum printed =
      optimal(synthetic::fit_of("chinchilla", {1.69, 406.4, 410.7, 0.34, 0.28}), 5.76e23);
  EXPECT_NEAR(printed.params / 32.19e9, 1, 1e-3);
  EXPECT_NEAR(printed.tokens / 2.982e12, 1, 1e-3);
}

// What the paper printed and what its source holds differ by rounding alone: the range that the
// warning gives must reach from one to the other's neighbourhood, 32.2B to 40.4B.
TEST(Optimal, WarnsOfParametersCopiedFromPrint) {
  const Fit printed = synthetic::fit_of("chinchilla", {1.69, 406.4, 410.7, 0.34, 0.28});
  const auto range = rounding_range(printed, {}, 5.76e23);
  ASSERT_TRUE(range);
  EXPECT_LT(range->params.low, 0.85 * 32.19e9);
  EXPECT_GT(range->params.high, 40.36e9);
  const Optimum optimum = optimal(printed, 5.76e23);
  ASSERT_EQ(optimum.warnings.size(), 2u);  // of the loss, of params and tokens
  EXPECT_NE(optimum.warnings[0].find("leaves the loss anywhere from 1.8"), std::string::npos)
      << optimum.warnings[0];
  EXPECT_NE(describe(printed, optimal(printed, 5.76e23)).find("copied from print"),
            std::string::npos);
  EXPECT_TRUE(
      optimal(synthetic::fit_of("chinchilla", synthetic::kHoffmann), 5.76e23).warnings.empty());
}

TEST(Optimal, NumericalOptimumIsStationary) {
  const Fit joint = synthetic::fit_of("kaplan-nd", {6.4e13, 1.8e13, 0.076, 0.103});
  const Optimum best = optimal(joint, 1e21);
  EXPECT_NEAR(6 * best.params * best.tokens / 1e21, 1, 1e-9);
  for (const double factor : {0.9, 1.1})
    EXPECT_GT(predict(joint, factor * best.params, best.tokens / factor).value,
              best.prediction.value);
}

// alpha A / N^alpha = (D + D_inf / 3) / D  beta B / D^beta, the derivative of the Lagrangian.
TEST(Optimal, InferenceDemandMeetsTheFirstOrderCondition) {
  const auto& v = synthetic::kEpoch;
  for (const double flops : {1e18, 5.76e23, 1e27})
    for (const double inference : {1e6, 1e10, 1e13, 1e15}) {
      const Optimum best = optimal(epoch(), with_inference(flops, inference));
      const double by_params = v[3] * v[1] / std::pow(best.params, v[3]);
      const double by_tokens = v[4] * v[2] / std::pow(best.tokens, v[4]);
      const double price = (best.tokens + inference / 3) / best.tokens;
      EXPECT_NEAR(by_params / (price * by_tokens), 1, 1e-9) << flops << " " << inference;
      EXPECT_NEAR(best.total_flops() / flops, 1, 1e-12);
    }
}

TEST(Optimal, InferenceDemandOfNothingIsTheClosedForm) {
  const Optimum plain = optimal(epoch(), 5.76e23);
  double before = 1;
  for (const double inference : {1e12, 1e9, 1e6, 1e3}) {
    const Optimum best = optimal(epoch(), with_inference(5.76e23, inference));
    const double miss = std::fabs(best.params / plain.params - 1);
    EXPECT_LT(miss, before);
    EXPECT_LT(best.params, plain.params * (1 + 1e-11));  // a smaller model, trained for longer
    before = miss;
  }
  EXPECT_LT(before, 1e-9);
  EXPECT_EQ(optimal(epoch(), with_inference(5.76e23, 0)).params, plain.params);
}

TEST(Optimal, CheapestRunOfALossIsTheDualOfTheBestLossOfABudget) {
  for (const double inference : {0.0, 1e12}) {
    const Optimum best = optimal(epoch(), with_inference(1e23, inference));
    Goal goal;
    goal.loss = best.prediction.value;
    goal.demand.inference_tokens = inference;
    const Optimum cheapest = optimal(epoch(), goal);
    EXPECT_NEAR(cheapest.total_flops() / 1e23, 1, 1e-8);
    EXPECT_NEAR(cheapest.params / best.params, 1, 1e-7);
  }
}

TEST(Optimal, IntervalsHoldTheCentreAndCountDrawsWithoutARun) {
  Fit drawn = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5),
                  {.law = "chinchilla", .bootstrap = 60});
  const Optimum best = optimal(drawn, with_inference(1e23, 1e12));
  ASSERT_TRUE(best.params_interval && best.tokens_interval && best.flops_interval);
  EXPECT_LT(best.params_interval->low, best.params);
  EXPECT_GT(best.params_interval->high, best.params);
  EXPECT_EQ(best.draws.size(), 60u);

  for (std::size_t i = 0; i < 20; ++i) drawn.draws.coordinates[i][0] = std::log(2.5);  // E above it
  Goal goal;
  goal.loss = 2.2;
  const Optimum reached = optimal(drawn, goal);
  EXPECT_EQ(reached.draws.size(), 60u);
  EXPECT_TRUE(std::isinf(reached.flops_interval->high));
  EXPECT_NE(reached.warnings.at(0).find("20 of 60"), std::string::npos);
  EXPECT_NE(describe(drawn, reached).find("no limit"), std::string::npos);
}

// With more different tokens than any run reads, repetition plays no part but for the kink of the
// law at N*(U), where the derivative is good to half a percent only.
TEST(Optimal, ScarceDataCostsLoss) {
  const Fit fit =
      synthetic::fit_of("repeated-data", {1.87, 521, 1488, .353, .353, 15.387756, 5.309743});
  Goal goal;
  goal.flops = 1e22;
  goal.demand.unique_tokens = 1e30;
  const Optimum plenty = optimal(fit, goal);
  const double g = std::pow(521.0 / 1488, 1 / 0.706);
  EXPECT_NEAR(plenty.params / (g * std::sqrt(1e22 / 6)), 1, 5e-3);
  goal.demand.unique_tokens = 1e10;
  EXPECT_GT(optimal(fit, goal).prediction.value, plenty.prediction.value);
  goal.demand.unique_tokens.reset();
  EXPECT_THROW(optimal(fit, goal), InputError);
}

TEST(Optimal, HoursAndComputeAreInverse) {
  const Machine machine{.gpus = 64, .peak_flops = 989e12, .mfu = 0.4};
  EXPECT_DOUBLE_EQ(flops_within(machine, 24), 24 * 3600 * 64 * 989e12 * 0.4);
  EXPECT_DOUBLE_EQ(hours_for(machine, flops_within(machine, 36)), 36);
  EXPECT_THROW(flops_within({.gpus = 1, .peak_flops = 1e12, .mfu = 40}, 1), InputError);
  EXPECT_THROW(flops_within(machine, 0), InputError);
}

TEST(Optimal, NamesWhatItNeeds) {
  EXPECT_THROW(optimal(synthetic::fit_of("kaplan-n", {8.8e13, 0.076}), 1e20), InputError);
  EXPECT_THROW(optimal(epoch(), -1), InputError);
  EXPECT_THROW(optimal(epoch(), 1e37), InputError);
  EXPECT_THROW(optimal(epoch(), Goal{}), InputError);
  EXPECT_THROW(optimal(epoch(), with_inference(1e20, -1)), InputError);
  Goal unreachable;
  unreachable.loss = 1.8;  // below E
  EXPECT_THROW(optimal(epoch(), unreachable), InputError);
  unreachable.loss = 1e9;  // above that of the smallest run there is
  EXPECT_THROW(optimal(epoch(), unreachable), InputError);
}

// Two laws that agree with themselves and not with each other: N* lies at one or the other.
TEST(Optimal, DrawsAreOfEveryLawByItsWeight) {
  Fit mixed = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  Member other = synthetic::fit_of("chinchilla", synthetic::kHoffmann).members.front();
  const double one = optimal(mixed, 1e23).params;
  const double two = optimal(synthetic::fit_of("chinchilla", synthetic::kHoffmann), 1e23).params;
  mixed.is_ensemble = true;
  mixed.members.front().weight = 0.75;
  other.weight = 0.25;
  mixed.members.push_back(other);
  mixed.draws.rows.assign(40, mixed.values());
  const Optimum best = optimal(mixed, 1e23);
  ASSERT_EQ(best.draws.size(), 40u);
  EXPECT_NEAR(best.params_interval->low, std::min(one, two), 1e-6 * one);
  EXPECT_NEAR(best.params_interval->high, std::max(one, two), 1e-6 * one);
  EXPECT_NEAR(best.draws[29].params / one, 1, 1e-6);
  EXPECT_NEAR(best.draws[30].params / two, 1, 1e-6);
  mixed.members.back().noise = 0.01;  // its information is the unit matrix
  EXPECT_NE(optimal(mixed, 1e23).draws[31].params, optimal(mixed, 1e23).draws[32].params);
}

TEST(Optimal, WhatRolloutsStrayedIsTheLeastWidth) {
  const Fit drawn = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5),
                        {.law = "chinchilla", .bootstrap = 60});
  EXPECT_GT(drawn.rollout.stray, 0);
  Fit sure = drawn;
  sure.rollout.stray = 0;
  Fit unsure = drawn;
  unsure.rollout.stray = 0.25;  // half of ln N* for each factor e of compute
  const auto width = [](const Optimum& best) {
    return std::log(best.params_interval->high / best.params_interval->low);
  };
  const double flops = sure.flops.high * std::exp(4.0);
  EXPECT_LE(width(optimal(sure, flops)), width(optimal(drawn, flops)));
  EXPECT_NEAR(width(optimal(unsure, flops)) / (2 * 1.28 * 0.5 * 4), 1, 0.25);
  EXPECT_LT(width(optimal(unsure, sure.flops.high)), 0.3 * width(optimal(unsure, flops)));
  for (const Split& draw : optimal(unsure, flops).draws)
    EXPECT_NEAR(6 * draw.params * draw.tokens / flops, 1, 1e-9);
}

// Draws of one place, off the optimum of the mixture: how far N* strays is added to that once.
TEST(Optimal, DrawsOffTheOptimumAreWidenedNotMovedAway) {
  Fit mixed = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  Member other = synthetic::fit_of("chinchilla", synthetic::kHoffmann).members.front();
  mixed.is_ensemble = true;
  mixed.members.front().weight = 0.87;
  other.weight = 0.13;
  mixed.members.push_back(other);
  mixed.draws.rows.assign(200, mixed.values());
  mixed.rollout.growth = {{Variable::flops}, {}};
  mixed.rollout.reach = {1e21};
  mixed.rollout.stray = std::pow(0.2 / std::log(100.0), 2);  // 0.2 of ln N*
  const Optimum best = optimal(mixed, 1e23);
  EXPECT_LT(best.params_interval->low, best.params);
  EXPECT_GT(best.params_interval->high, best.params);
  EXPECT_LT(std::log(best.params_interval->high / best.params_interval->low), 6 * 0.2);
  for (const double inference : {0.0, 1e13})
    for (const Split& draw : optimal(mixed, with_inference(1e23, inference)).draws)
      EXPECT_NEAR(draw.params * (6 * draw.tokens + 2 * inference) / 1e23, 1, 1e-9);
  mixed.rollout.stray = 1e9;
  const Optimum lost = optimal(mixed, 1e23);
  EXPECT_TRUE(lost.warnings.empty());
  for (const Split& draw : lost.draws)
    EXPECT_TRUE(draw.params > 0 && std::isfinite(draw.params * draw.tokens)) << draw.params;
}

// The closed form lies where no run is: refused as the search refuses it.
TEST(Optimal, AnOptimumBelowOneParameterIsNone) {
  const Fit inverse = synthetic::fit_of("chinchilla", {1e-6, 2e-9, 4.2, 10, 0.0084});
  for (const double inference : {0.0, 1e9})
    EXPECT_THROW(optimal(inverse, with_inference(1e20, inference)), InputError) << inference;
  EXPECT_THROW(predict(inverse, RunSize{.flops = 1e20}), InputError);
  Goal goal;
  goal.loss = 3;
  EXPECT_THROW(optimal(inverse, goal), InputError);
  const Fit searched = synthetic::fit_of(  // its own search ends at 1.003 tokens
      "farseer", {16.2, 0.268, -0.174, -4.6e-26, 7.07, 2.92, -1.3e-27, -1.098, 3});
  EXPECT_THROW(optimal(searched, 1e21), InputError);
}

TEST(Optimal, RefusesWhatItsLawDoesNotRead) {
  Goal goal = with_inference(1e21, 0);
  goal.demand.unique_tokens = 1e9;
  EXPECT_THROW(optimal(epoch(), goal), InputError);
}

TEST(Optimal, SaysWhatTheFitSays) {
  Fit bound = epoch();
  bound.search.best = {{.values = {}, .at_bound = {"E"}}};
  const Optimum best = optimal(bound, 1e21);
  ASSERT_EQ(best.warnings.size(), 1u);
  EXPECT_NE(best.warnings[0].find("of the fit: E at a bound"), std::string::npos);
}

TEST(Optimal, ABoundOfParamsHoldsThemAndSaysWhatItCosts) {
  const Optimum plain = optimal(epoch(), 1e23);
  Goal goal = within(1e23, 5e9);
  const Optimum bounded = optimal(epoch(), goal);
  EXPECT_NEAR(bounded.params / 5e9, 1, 1e-12);
  EXPECT_NEAR(6 * bounded.params * bounded.tokens / 1e23, 1, 1e-12);
  ASSERT_TRUE(bounded.is_at_bound && bounded.unbounded);
  EXPECT_EQ(bounded.unbounded->params, plain.params);
  EXPECT_NEAR(bounded.unbounded->loss / plain.prediction.value, 1, 1e-12);
  EXPECT_GT(bounded.prediction.value, plain.prediction.value);
  goal.demand.inference_tokens = 1e12;
  EXPECT_NEAR(optimal(epoch(), goal).total_flops() / 1e23, 1, 1e-12);
  EXPECT_NEAR(optimal(epoch(), goal).params / 5e9, 1, 1e-12);

  const Optimum wide = optimal(epoch(), within(1e23, 1.001 * plain.params));
  EXPECT_EQ(wide.params, plain.params);
  EXPECT_FALSE(wide.is_at_bound || wide.unbounded);
  EXPECT_THROW(optimal(epoch(), within(1e23, 0)), InputError);
}

TEST(Optimal, ALossCostsMoreWithinABoundOfParams) {
  Goal goal;
  goal.loss = 2.2;
  const Optimum plain = optimal(epoch(), goal);
  goal.demand.most_params = 0.3 * plain.params;
  const Optimum bounded = optimal(epoch(), goal);
  EXPECT_NEAR(bounded.params / *goal.demand.most_params, 1, 1e-12);
  EXPECT_NEAR(bounded.prediction.value, 2.2, 1e-8);
  EXPECT_GT(bounded.flops, plain.flops);
  EXPECT_NEAR(bounded.unbounded->flops / plain.flops, 1, 1e-9);
  goal.demand.most_params = 1e6;  // E + A / N^alpha is above 2.2
  EXPECT_THROW(optimal(epoch(), goal), InputError);
}

// Draws stop at the bound; those of an optimum far beyond it have nowhere else to be.
TEST(Optimal, DrawsStayWithinTheBoundOfParams) {
  const Fit drawn = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5),
                        {.law = "chinchilla", .bootstrap = 60});
  const Optimum plain = optimal(drawn, 1e23);
  for (const double share : {0.01, 0.97}) {
    const Optimum bounded = optimal(drawn, within(1e23, share * plain.params));
    int below = 0;
    for (const Split& draw : bounded.draws) {
      EXPECT_LE(draw.params, bounded.params * (1 + 1e-9));
      EXPECT_NEAR(6 * draw.params * draw.tokens / 1e23, 1, 1e-9);
      below += draw.params < 0.999 * bounded.params;
    }
    EXPECT_EQ(below > 6, share > 0.5) << below;
    EXPECT_LT(below, 60);
  }
}

// What the draws lack is missing before they are cut off: as few lie below a bound as without it.
TEST(Optimal, ABoundOfParamsCutsDrawsOffAndMovesNone) {
  const Fit drawn = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5),
                        {.law = "chinchilla", .bootstrap = 60});
  Goal reach;
  reach.loss = 2.0;
  for (Goal goal : {with_inference(1e23, 0), with_inference(1e23, 1e12), reach}) {
    const Optimum plain = optimal(drawn, goal);
    for (const double share : {0.9, 1.0001, 1.1}) {
      goal.demand.most_params = share * plain.params;
      const Optimum bounded = optimal(drawn, goal);
      ASSERT_EQ(bounded.draws.size(), plain.draws.size());
      for (std::size_t i = 0; i < plain.draws.size(); ++i) {
        const double expected = std::min(plain.draws[i].params, *goal.demand.most_params);
        // what a loss costs is moved along slopes at the optimum, the further the wider its
        // interval
        EXPECT_NEAR(bounded.draws[i].params / expected, 1, goal.loss ? 0.04 : 1e-9)
            << share << " " << i;
      }
    }
  }
}

// Its loss falls with N down to one token: no optimum but for the bound.
TEST(Optimal, ABoundMayBeAllThatHoldsParams) {
  Fit greedy = synthetic::fit_of("chinchilla", {1.8, 500, 1e-9, 0.35, 0.36});
  Goal goal = with_inference(1e21, 1);  // no closed form
  EXPECT_THROW(optimal(greedy, goal), InputError);
  goal.demand.most_params = 1e9;
  greedy.draws.rows.assign(40, greedy.values());
  greedy.rollout.growth = {{Variable::flops}, {}};
  greedy.rollout.reach = {1e19};
  greedy.rollout.stray = 0.01;
  const Optimum best = optimal(greedy, goal);
  EXPECT_TRUE(best.is_at_bound);
  EXPECT_FALSE(best.unbounded);
  EXPECT_NEAR(best.params / 1e9, 1, 1e-12);
  ASSERT_EQ(best.draws.size(), 40u);
  for (const Split& draw : best.draws) EXPECT_NEAR(draw.params / 1e9, 1, 1e-9);
}

// The mixture's loss at its own optimum, not the loss of the mixture at one law's.
TEST(Optimal, AnEnsembleIsPlannedOnItsMixture) {
  Fit mixed = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  Member other = synthetic::fit_of("chinchilla", synthetic::kHoffmann).members.front();
  mixed.is_ensemble = true;
  mixed.members.front().weight = 0.6;
  other.weight = 0.4;
  mixed.members.push_back(other);
  Goal goal;
  goal.loss = 2.2;
  EXPECT_NEAR(optimal(mixed, goal).prediction.value, 2.2, 1e-8);
  const Optimum best = optimal(mixed, 1e23);
  for (const double factor : {0.8, 1.25})
    EXPECT_GT(predict(mixed, best.params * factor, best.tokens / factor).value,
              best.prediction.value);
  EXPECT_GT(std::fabs(best.params / optimal(epoch(), 1e23).params - 1), 0.05);
}

}  // namespace
}  // namespace isoflop::laws
