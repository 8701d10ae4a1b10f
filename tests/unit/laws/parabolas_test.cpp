#include "laws/fit/parabolas.hpp"

#include <gtest/gtest.h>

#include "families.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/plan/optimal.hpp"

namespace isoflop::laws {
namespace {

/// Seven budgets of seven sizes.
Points budgets_of(const std::string& name, std::uint64_t seed) {
  for (synthetic::Family family : synthetic::families()) {
    if (family.name != name) continue;
    family.budgets = 7;
    return make_trial(family, seed).fitted;
  }
  ADD_FAILURE() << "no family " << name;
  return {};
}

Fit chinchilla_of(const std::string& name, std::uint64_t seed) {
  return fit(budgets_of(name, seed), {.law = "chinchilla", .bootstrap = 60});
}

/// Empty: there is none.
std::string warning_of(const Optimum& optimum) {
  for (const std::string& warning : optimum.warnings)
    if (warning.starts_with("the parabolas of 7 of your budgets put the best N ")) return warning;
  return "";
}

bool warns(const Optimum& optimum) { return !warning_of(optimum).empty(); }

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

Goal with(const Demand& demand) { return {.flops = 1e20, .loss = {}, .demand = demand}; }

// The parabola's bias is in both: points without noise leave no shift.
TEST(Parabolas, AgreeWithALawThatIsRight) {
  Points points = budgets_of("Hoffmann, 0.5% noise", 1);
  const Law& law = find_law("chinchilla");
  for (std::size_t i = 0; i < points.size(); ++i)
    points.loss[i] =
        synthetic::loss(law, synthetic::kHoffmann, {points.params[i], points.tokens[i]});
  const Fit exact = fit(points, {.law = "chinchilla", .bootstrap = 0});
  ASSERT_TRUE(exact.rollout.parabolas);
  EXPECT_EQ(exact.rollout.parabolas->budgets, 7u);
  EXPECT_NEAR(exact.rollout.parabolas->at(1e21), 0, 1e-5);
  EXPECT_FALSE(warns(optimal(chinchilla_of("Hoffmann, 0.5% noise", 1), 1e20)));
}

// Chinchilla's law on points of Kaplan's names several times the best N and is sure of it.
TEST(Parabolas, ShowAnNThatALawIsWronglySureOf) {
  const Fit wrong = chinchilla_of("Kaplan, no floor", 1);
  const Law& truth = find_law("kaplan-nd");
  const double best =
      truth.optimum(synthetic::to_vector({6.4e13, 1.8e13, 0.076, 0.103}), 1e20)->params;
  const Optimum optimum = optimal(wrong, 1e20);
  EXPECT_GT(optimum.params, 2.5 * best);
  EXPECT_LT(optimum.params_interval->low, best);
  EXPECT_GT(optimum.params_interval->high, optimum.params);
  EXPECT_LT(optimum.params_interval->high, 2 * optimum.params);  // to one side
  EXPECT_TRUE(warns(optimum));
  Fit unaware = wrong;
  unaware.rollout.parabolas.reset();
  EXPECT_GT(optimal(unaware, 1e20).params_interval->low, best);
  EXPECT_FALSE(warns(optimal(unaware, 1e20)));

  const auto read = fit_from_json(to_json(wrong), "fit.json").rollout.parabolas;
  ASSERT_TRUE(read);
  EXPECT_EQ(read->budgets, wrong.rollout.parabolas->budgets);
  EXPECT_EQ(read->at(1e22), wrong.rollout.parabolas->at(1e22));
  EXPECT_EQ(read->variance_at(1e22), wrong.rollout.parabolas->variance_at(1e22));
}

// They speak of training alone, without a bound.
TEST(Parabolas, WarnOfPlansWithABoundOrInference) {
  const Fit wrong = chinchilla_of("Kaplan, no floor", 1);
  const Optimum plain = optimal(wrong, 1e20);
  const double theirs = plain.params * std::exp(wrong.rollout.parabolas->at(1e20));
  EXPECT_TRUE(contains(warning_of(plain), "best N at "));
  EXPECT_TRUE(contains(warning_of(plain), "reaches for both"));
  EXPECT_FALSE(contains(warning_of(optimal(wrong, 1e20, 0.3)), "reaches for both"));

  const Optimum between = optimal(wrong, with({0, {}, 0.5 * (theirs + plain.params)}));
  ASSERT_TRUE(between.is_at_bound);
  EXPECT_TRUE(contains(warning_of(between), "best N without the bound at "));
  EXPECT_FALSE(warns(optimal(wrong, with({0, {}, 0.5 * theirs}))));

  const Optimum read = optimal(wrong, with({1e12, {}, {}}));
  EXPECT_TRUE(contains(warning_of(read), "best N for training alone at "));
  EXPECT_FALSE(contains(warning_of(read), "reaches for both"));
  Fit unaware = wrong;
  unaware.rollout.parabolas.reset();
  const double without = optimal(unaware, with({1e12, {}, {}})).params_interval->low;
  const double moved = std::log(read.params_interval->low / without);
  EXPECT_GT(moved, wrong.rollout.parabolas->at(read.flops) * 0.5);  // to lower N, by less

  Fit undrawn = wrong;
  undrawn.draws = {};
  EXPECT_FALSE(warns(optimal(undrawn, 1e20)));  // the fit's own error is not known
}

// The line is read at 6 N D, however the points count their FLOP.
TEST(Parabolas, CountFlopsAsPlansDo) {
  Points points = budgets_of("Kaplan, no floor", 1);
  const Fit plain = fit(points, {.law = "chinchilla", .bootstrap = 0});
  points.conventions.flops = "exact";
  for (std::size_t i = 0; i < points.size(); ++i)
    points.flops.push_back(1.5 * 6 * points.params[i] * points.tokens[i]);
  const Fit exact = fit(points, {.law = "chinchilla", .bootstrap = 0});
  ASSERT_TRUE(plain.rollout.parabolas && exact.rollout.parabolas);
  EXPECT_NEAR(exact.rollout.parabolas->flops / plain.rollout.parabolas->flops, 1, 1e-9);
  EXPECT_NEAR(exact.rollout.parabolas->at(1e21), plain.rollout.parabolas->at(1e21), 1e-9);
}

// Next to straight in ln N: the vertex of the fit's parabola lies anywhere.
TEST(Parabolas, OfALawWithoutCurvatureStayFinite) {
  const Fit flat = fit(budgets_of("Kaplan, no floor", 1),
                       {.law = "chinchilla",
                        .bootstrap = 0,
                        .fixed = {{"E", 1e-3}, {"alpha", 1e-3}, {"beta", 1e-3}}});
  ASSERT_TRUE(flat.rollout.parabolas);
  for (const double flops : {1e18, 1e21}) {
    EXPECT_LT(std::fabs(flat.rollout.parabolas->at(flops)), 30);
    EXPECT_TRUE(std::isfinite(flat.rollout.parabolas->variance_at(flops)));
  }
}

TEST(Parabolas, NeedFiveBudgets) {
  for (const int budgets : {4, 5}) {
    synthetic::Family family = synthetic::families().front();
    family.budgets = budgets;
    const Fit fitted = fit(make_trial(family, 1).fitted, {.law = "chinchilla", .bootstrap = 0});
    EXPECT_EQ(fitted.rollout.parabolas.has_value(), budgets == 5) << budgets;
  }
}

// Seven good budgets do not count beside runs whose compute goes on without a gap.
TEST(Parabolas, NeedBudgetsWithGaps) {
  Points points = budgets_of("Hoffmann, 0.5% noise", 1);
  const Law& law = find_law("chinchilla");
  for (int i = 0; i < 12; ++i) {
    const double params = 3e8 * std::pow(1.05, i);
    const double tokens = 2e10;
    points.params.push_back(params);
    points.tokens.push_back(tokens);
    points.loss.push_back(synthetic::loss(law, synthetic::kHoffmann, {params, tokens}));
  }
  EXPECT_FALSE(fit(points, {.law = "chinchilla", .bootstrap = 0}).rollout.parabolas);
}

}  // namespace
}  // namespace isoflop::laws
