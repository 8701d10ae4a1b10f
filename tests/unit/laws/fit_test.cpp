#include "laws/fit/fit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/points/weights.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

FitOptions quick(std::size_t draws = 0) { return {.law = "chinchilla", .bootstrap = draws}; }

std::string error_of(const Points& points, const FitOptions& options) {
  try {
    fit(points, options);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

bool has_warning(const Fit& fit, std::string_view part) {
  return std::any_of(fit.warnings.begin(), fit.warnings.end(), [&](const std::string& warning) {
    return warning.find(part) != std::string::npos;
  });
}

TEST(Fit, RecoversBothPublishedSurfacesFromIsoflopGrids) {
  for (const auto& values : {synthetic::kHoffmann, synthetic::kEpoch}) {
    const Fit result = fit(synthetic::isoflop_grid(values), quick());
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_NEAR(result.parameters[i].value / values[i], 1, 1e-6) << result.parameters[i].name;
  }
}

TEST(Fit, RowOrderChangesNoBit) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.005, 1);
  for (std::size_t i = 0; i < points.size(); ++i)
    points.group.push_back("run " + std::to_string(i / 2));
  const Points other = synthetic::reversed(points);
  EXPECT_EQ(to_json(fit(points, quick(20))), to_json(fit(other, quick(20))));
  EXPECT_EQ(to_json(fit(weigh(points, "compute"), quick(5))),
            to_json(fit(weigh(other, "compute"), quick(5))));
}

TEST(Fit, RowOrderChangesNoBitOfWeightsByReplicates) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.005, 1);
  const Points again = synthetic::noisy_grid(synthetic::kEpoch, 0.005, 2);
  points.params.insert(points.params.end(), again.params.begin(), again.params.end());
  points.tokens.insert(points.tokens.end(), again.tokens.begin(), again.tokens.end());
  points.flops.insert(points.flops.end(), again.flops.begin(), again.flops.end());
  points.loss.insert(points.loss.end(), again.loss.begin(), again.loss.end());
  EXPECT_EQ(weigh(points, "replicates").weight,
            weigh(synthetic::reversed(points), "replicates").weight);
}

TEST(Fit, OneGroupHasNoIntervals) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.005, 1);
  points.group.assign(points.size(), "one run");
  const Fit result = fit(points, quick(20));
  EXPECT_TRUE(result.draws.rows.empty());
  EXPECT_TRUE(std::isnan(result.parameters[0].standard_error));
  EXPECT_TRUE(has_warning(result, "all points are of one group"));
}

// No run repeats its data, none is larger than its data asks for: RD and RN say nothing.
TEST(Fit, ParametersThatNoPointDependsOnAreNamed) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.003, 1);
  points.unique_tokens = points.tokens;
  const Fit result = fit(points, {.law = "repeated-data", .bootstrap = 10});
  EXPECT_EQ(result.parameters[5].name, "RD");
  EXPECT_TRUE(std::isnan(result.parameters[5].low));
  EXPECT_FALSE(std::isnan(result.parameters[3].low));
  EXPECT_TRUE(has_warning(result, "RD is open: no point depends on it"));
  points.unique_tokens[7] *= 2;
  EXPECT_NE(error_of(points, {.law = "repeated-data"}).find("point 8: unique_tokens: saw"),
            std::string::npos);
}

TEST(Fit, StagesOfPointsThatAreLeftOutDoNotCount) {
  Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  points.stage.assign(points.size(), "final");
  points.stage[5] = "mid-decay";
  EXPECT_NE(error_of(points, quick()).find("keep one stage"), std::string::npos);
  points.weight.assign(points.size(), 1.0);
  points.weight[5] = 0;
  EXPECT_EQ(fit(points, quick()).conventions.stage, "final");
  points.weight.clear();
  points.loss[5] = 9;
  FitOptions options = quick();
  options.drop_worst = 1;
  EXPECT_EQ(fit(points, options).conventions.stage, "final");
}

TEST(Fit, DuplicatesWithHalfTheWeightChangeNothing) {
  const Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.005, 1);
  FitOptions options = quick(20);
  options.details = true;
  const Fit once = fit(points, options);
  Fit both = fit(synthetic::halves(points), options);
  ASSERT_EQ(both.left_out.size(), points.size());
  EXPECT_EQ(both.left_out[0].reason,
            "it repeats another point in every value: one point with both weights");
  both.left_out.clear();
  EXPECT_EQ(to_json(both), to_json(once));  // draws, profiles, rollouts and members too
}

TEST(Fit, CopiesInOtherGroupsAreOtherRuns) {
  const Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.005, 1);
  Points doubled = synthetic::halves(points);
  for (std::size_t i = 0; i < doubled.size(); ++i)
    doubled.group.push_back(i % 2 == 0 ? "first" : "second");
  EXPECT_EQ(fit(doubled, quick()).used, doubled.size());
}

TEST(Fit, OutliersAreFoundWhateverTheHeightOfTheirLoss) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.001, 1);
  for (std::size_t i = 0; i < points.size(); ++i) points.name.push_back(fmt::format("run {}", i));
  points.loss[70] *= 1.1;  // one of the lower losses
  FitOptions options = quick();
  options.drop_outliers = 1;
  options.details = true;
  const Fit result = fit(points, options);
  ASSERT_EQ(result.left_out.size(), 1u);
  EXPECT_EQ(result.left_out[0].name, "run 70");
  EXPECT_NE(result.left_out[0].reason.find("one of the 1 largest misses of a robust fit (+1"),
            std::string::npos);
  std::size_t put_back = 0;
  for (const Alternative& one : result.alternatives) put_back += one.put_back;
  EXPECT_EQ(put_back, 1u);
  EXPECT_NE(error_of(points, {.law = "ensemble", .drop_outliers = 1}).find("needed one"),
            std::string::npos);
  EXPECT_NE(error_of(points, {.law = "chinchilla", .drop_outliers = 78}).find("needs at least 6"),
            std::string::npos);
}

TEST(Fit, DropsNoRowsOfCurves) {
  const Points curves = find_law("multi-power").example();
  for (const FitOptions& options : {FitOptions{.law = "multi-power", .drop_worst = 1},
                                    FitOptions{.law = "multi-power", .drop_outliers = 1}})
    EXPECT_EQ(error_of(curves, options),
              "drop-outliers, drop-worst: law multi-power fits whole curves, not their rows: leave "
              "runs out of the file");
}

TEST(Fit, OfRepeatsTheSameNameStaysInAnyOrder) {
  Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  for (std::size_t i = 0; i < points.size(); ++i) points.name.push_back(fmt::format("run {}", i));
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < points.size(); ++i) rows.push_back(i);
  rows.insert(rows.end(), {7, 3});
  points = select(points, rows);
  points.name[81] = "a copy of 7";
  points.name[82] = "the copy of 3";
  const auto names_of = [](const Points& input) { return merge_repeats(prepare(input)).name; };
  EXPECT_EQ(names_of(points), names_of(synthetic::reversed(points)));
}

TEST(Fit, SaysWhereTheBestSizeIsAtTheEdgeOfItsBudget) {
  const Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  EXPECT_FALSE(has_warning(fit(points, quick()), "at the edge of your grid"));
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (i < 76) rows.push_back(i);  // of the last budget the four smallest
  EXPECT_TRUE(has_warning(fit(select(points, rows), quick()),
                          "the best N sits at the edge of your grid at 1 of 9 budgets: add sizes "
                          "above"));
}

TEST(Fit, RescaledUnitsRescaleOnlyTheCoefficient) {
  const Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.005, 1);
  const std::vector<double> in_ones = fit(points, quick()).values();
  enum { kE, kA, kB, kAlpha, kBeta };
  for (const auto& [variable, coefficient, exponent] :
       {std::tuple(Variable::params, kA, kAlpha), std::tuple(Variable::tokens, kB, kBeta)}) {
    Points millions = points;
    for (double& value : quantity(millions, variable)) value /= 1e6;
    std::vector<double> back = fit(millions, quick()).values();
    back[coefficient] *= std::pow(1e6, in_ones[exponent]);
    EXPECT_NEAR(back[coefficient] / in_ones[coefficient], 1, 1e-6) << to_string(variable);
    for (const auto same : {kE, kAlpha, kBeta})
      EXPECT_NEAR(back[same] / in_ones[same], 1, 1e-8) << to_string(variable) << same;
  }
}

TEST(Fit, IntervalsAreSeededAndHoldTheTruth) {
  const Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.003, 7);
  FitOptions options = quick(200);
  options.level = 0.99;
  const Fit result = fit(points, options);
  EXPECT_EQ(to_json(result), to_json(fit(points, options)));
  for (std::size_t i = 0; i < result.parameters.size(); ++i) {
    const Estimate& parameter = result.parameters[i];
    EXPECT_LT(parameter.low, synthetic::kEpoch[i]) << parameter.name;
    EXPECT_GT(parameter.high, synthetic::kEpoch[i]) << parameter.name;
    EXPECT_GT(parameter.standard_error, 0);
  }
  options.seed = 2;
  EXPECT_NE(fit(points, options).parameters[0].low, result.parameters[0].low);
}

TEST(Fit, GroupsAreDrawnWhole) {
  const Clusters clusters(6, {"a", "a", "b", "b", "c", ""});
  EXPECT_EQ(clusters.count(), 4u);
  double points = 0;
  bool repeats = false;
  for (std::uint32_t draw = 0; draw < 50; ++draw) {
    const std::vector<double> counts = clusters.counts(3, draw);
    EXPECT_EQ(counts[0], counts[1]);
    EXPECT_EQ(counts[2], counts[3]);
    EXPECT_EQ(counts[0] + counts[2] + counts[4] + counts[5], 4);
    repeats |= *std::max_element(counts.begin(), counts.end()) > 1;
    for (const double count : counts) points += count;
  }
  EXPECT_TRUE(repeats);
  EXPECT_NEAR(points / 50, 6, 1);
}

TEST(Fit, WeightZeroAndWorstLossesAreLeftOutWithReasons) {
  Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  points.weight.assign(points.size(), 1);
  points.weight[3] = 0;
  points.loss[10] = 9;
  FitOptions options = quick();
  options.drop_worst = 1;
  const Fit result = fit(points, options);
  ASSERT_EQ(result.left_out.size(), 2u);
  EXPECT_EQ(result.left_out[0].reason, "its weight is 0");
  EXPECT_EQ(result.left_out[1].reason, "one of the 1 highest losses (9)");
  EXPECT_EQ(result.used, points.size() - 2);
  EXPECT_NEAR(result.parameters[0].value / synthetic::kEpoch[0], 1, 1e-6);
}

TEST(Fit, RefusesImpossibleValues) {
  const Points good = synthetic::isoflop_grid(synthetic::kEpoch);
  for (const double bad : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity()}) {
    Points points = good;
    points.loss[4] = bad;
    EXPECT_NE(error_of(points, quick()).find("point 5: loss: saw"), std::string::npos);
    points = good;
    points.params[4] = bad;
    EXPECT_NE(error_of(points, quick()).find("point 5: params: saw"), std::string::npos);
  }
  Points points = good;
  points.tokens.pop_back();
  EXPECT_NE(error_of(points, quick()).find("tokens has 80 values, another column 81"),
            std::string::npos);
}

TEST(Fit, RefusesBadOptions) {
  const Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  FitOptions options = quick();
  options.huber_delta = 0;
  EXPECT_NE(error_of(points, options).find("huber-delta: saw 0"), std::string::npos);
  options = quick();
  options.level = 1;
  EXPECT_NE(error_of(points, options).find("level: saw 1"), std::string::npos);
  options = quick();
  options.method = "approach4";
  EXPECT_NE(error_of(points, options).find("approach3, approach2, approach1"), std::string::npos);
  options = {.law = "power", .variable = "parms"};
  EXPECT_NE(error_of(points, options).find("'parms' is unknown"), std::string::npos);
}

TEST(Fit, RefusesAColumnWithoutALogarithmAndItsOwnResponse) {
  Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  (points.learning_rate = points.tokens).front() = 0;
  EXPECT_THROW(fit(points, {.law = "power", .variable = "learning_rate"}), InputError);
  EXPECT_THROW(fit(points, {.law = "power", .variable = "loss"}), InputError);
}

TEST(Fit, OneVariableLawReadsWhatVaries) {
  Points points;
  for (const double params : {1e6, 1e7, 1e8, 1e9, 1e10}) {
    points.params.push_back(params);
    points.tokens.push_back(1e9);
    points.loss.push_back(1.5 + 100 / std::pow(params, 0.3));
  }
  const Fit result = fit(points, {.law = "power-offset", .bootstrap = 0});
  EXPECT_EQ(result.variable, "params");
  EXPECT_NEAR(result.parameters[1].value / 100, 1, 1e-6);
}

TEST(Fit, WarnsWhenTheFloorIsNotDetermined) {
  Points points;
  for (const double params : {1e6, 1e7, 1e8, 1e9, 1e10, 1e11}) {
    points.params.push_back(params);
    points.tokens.push_back(1e9);
    points.loss.push_back(10 / std::pow(params, 0.05) - 0.5);  // falls faster than any power law
  }
  EXPECT_TRUE(has_warning(fit(points, {.law = "power-offset", .bootstrap = 0}), "sits at a bound"));
}

TEST(Fit, WarnsOfLossesFromTheMiddleOfRuns) {
  Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  for (std::size_t i = 0; i < points.size(); ++i)
    points.group.push_back("run " + std::to_string(i / 3));
  EXPECT_TRUE(has_warning(fit(points, quick()), "hold several token counts"));
}

TEST(Fit, WarnsWhenTokensFollowParams) {
  Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  EXPECT_FALSE(has_warning(fit(points, quick()), "tokens a parameter span"));
  const Law& law = find_law("chinchilla");
  points.flops.clear();
  for (std::size_t i = 0; i < points.size(); ++i) {
    points.tokens[i] = 20 * points.params[i];
    points.loss[i] = synthetic::loss(law, synthetic::kEpoch, {points.params[i], points.tokens[i]}) *
                     (1 + 0.003 * std::sin(7.0 * static_cast<double>(i)));  // or all is one valley
  }
  EXPECT_TRUE(has_warning(fit(points, quick()), "tokens a parameter span only a factor 1:"));
}

TEST(Fit, WarnsOfRepeatedTokensUnlessTheLawKnowsThem) {
  Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  points.unique_tokens = points.tokens;
  EXPECT_FALSE(has_warning(fit(points, quick()), "more than once"));
  points.unique_tokens[7] /= 4;
  points.unique_tokens[9] /= 3;
  EXPECT_TRUE(has_warning(fit(points, quick()),
                          "2 of 81 points saw their text more than once, up to 4 times"));
  EXPECT_FALSE(
      has_warning(fit(points, {.law = "repeated-data", .bootstrap = 0}), "more than once"));
}

TEST(Fit, WarnsOfSizesWithSeveralLearningRates) {
  Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  points.learning_rate.assign(points.size(), 1e-3);
  EXPECT_FALSE(has_warning(fit(points, quick()), "several learning rates"));
  points.params.push_back(points.params.front());
  points.tokens.push_back(points.tokens.front());
  points.flops.push_back(points.flops.front());
  points.loss.push_back(points.loss.front() + 0.1);
  points.learning_rate.push_back(2e-3);
  EXPECT_TRUE(has_warning(fit(points, quick()), "1 of 81 sizes were run with several learning"));
  points.unique_tokens = points.tokens;
  points.unique_tokens.back() /= 2;  // of another size, as --best-runs has it
  EXPECT_FALSE(has_warning(fit(points, quick()), "several learning rates"));
}

}  // namespace
}  // namespace isoflop::laws
