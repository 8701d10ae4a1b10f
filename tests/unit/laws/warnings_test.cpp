// What a fit says of its points: gross outliers, units, columns without an exponent, stages.
#include "laws/fit/warnings.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "laws/points/best_runs.hpp"
#include "laws/points/critical_batch.hpp"
#include "laws/points/csv.hpp"
#include "laws/points/weights.hpp"
#include "laws/predict/predict.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

/// The only warning that has `part` in it; empty: none has.
std::string warning_with(const Fit& fit, std::string_view part) {
  std::string found;
  for (const std::string& warning : fit.warnings) {
    if (warning.find(part) == std::string::npos) continue;
    EXPECT_TRUE(found.empty()) << warning;
    found = warning;
  }
  return found;
}

Fit fit_of(const Points& points, const std::string& law = "chinchilla") {
  return fit(points, {.law = law, .bootstrap = 0});
}

Points named_grid(std::uint64_t seed) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.004, seed);
  for (std::size_t i = 0; i < points.size(); ++i) points.name.push_back(fmt::format("run {}", i));
  return points;
}

TEST(Outliers, AreCountedAndTheWorstIsNamed) {
  Points points = named_grid(1);
  points.loss[20] *= 1.1;
  points.loss[50] *= 0.91;
  const std::string text = warning_with(fit_of(points), "standard deviations");
  EXPECT_TRUE(
      text.starts_with("2 of 81 points lie further than 12 standard deviations (by the "
                       "median: 0."))
      << text;
  EXPECT_NE(text.find("the worst run 20 by +"), std::string::npos) << text;
  EXPECT_NE(text.find("--drop-outliers 2"), std::string::npos) << text;
  const Fit dropped = fit(points, {.law = "chinchilla", .bootstrap = 0, .drop_outliers = 2});
  EXPECT_EQ(warning_with(dropped, "standard deviations"), "");
  EXPECT_EQ(dropped.left_out.size(), 2u);
}

TEST(Outliers, OneLossOfAnotherOrderIsOne) {
  Points points = named_grid(2);
  points.loss[7] = 1000;
  EXPECT_NE(warning_with(fit_of(points), "standard deviations").find("the worst run 7 by +"),
            std::string::npos);
}

TEST(Outliers, AnEnsembleDropsNone) {
  Points points = named_grid(1);
  points.loss[20] *= 1.1;
  const std::string text = warning_with(fit_of(points, "ensemble"), "standard deviations");
  EXPECT_TRUE(text.ends_with("look at run 20")) << text;
}

// The option counts from the whole file: 1 would put the two back that are left out already.
TEST(Outliers, ThoseLeftOutAlreadyAreCountedWithTheOthers) {
  Points points = named_grid(1);
  points.loss[20] *= 1.5;
  points.loss[50] *= 1.4;
  points.loss[61] *= 1.1;
  const FitOptions options{.law = "chinchilla", .bootstrap = 0, .drop_outliers = 2};
  const std::string text = warning_with(fit(points, options), "standard deviations");
  EXPECT_TRUE(text.starts_with("1 of 79 points lies")) << text;
  EXPECT_TRUE(text.ends_with("--drop-outliers 3")) << text;
}

// A weight says how much a miss counts, not how far off the point lies.
TEST(Outliers, AreNotMadeByWeights) {
  for (const std::uint64_t seed : {1u, 2u, 3u})
    EXPECT_EQ(warning_with(fit_of(weigh(named_grid(seed), "compute")), "standard deviations"), "")
        << seed;
  for (const double weight : {1e-4, 1.0, 1e6})
    for (const double off : {1.005, 1.5}) {  // below the least miss, and far above it
      Points points = synthetic::noisy_grid(synthetic::kEpoch, 1e-4, 1);
      points.loss[20] *= off;
      points.weight.assign(points.size(), weight);
      const std::string text = warning_with(fit_of(points), "standard deviations");
      EXPECT_EQ(text.ends_with("--drop-outliers 1"), off > 1.4) << weight << " " << text;
      EXPECT_EQ(text.empty(), off < 1.4) << weight << " " << text;
    }
}

// --drop-outliers ranks by weight too: it may take other points than the warning means.
TEST(Outliers, OfPointsWithWeightsAreNamed) {
  Points points = named_grid(1);
  points.loss[20] *= 1.5;
  points.loss[50] *= 1.4;
  points.weight.assign(points.size(), 1.0);
  points.weight[20] = 1e-6;
  const std::string text = warning_with(fit_of(points), "standard deviations");
  EXPECT_TRUE(text.ends_with("look at run 20, run 50")) << text;
}

// Neither noise, nor its absence, nor a law that the points do not follow is a few runs' fault.
TEST(Outliers, AreNotSeenWhereThereAreNone) {
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u})
    EXPECT_EQ(warning_with(fit_of(named_grid(seed)), "standard deviations"), "") << seed;
  EXPECT_EQ(warning_with(fit_of(synthetic::isoflop_grid(synthetic::kEpoch)), "standard deviations"),
            "");
  for (const char* wrong : {"power", "power-offset", "kaplan-n", "kaplan-d", "kaplan-nd"})
    EXPECT_EQ(warning_with(fit_of(named_grid(1), wrong), "standard deviations"), "") << wrong;
}

TEST(Units, MillionsOfParamsAndBillionsOfTokensAreTold) {
  Points points = named_grid(1);
  EXPECT_EQ(warning_with(fit_of(points), "in units"), "");
  for (double& value : points.params) value /= 1e6;
  for (double& value : points.tokens) value /= 1e9;
  points.flops.clear();
  const Fit result = fit_of(points);
  EXPECT_TRUE(warning_with(result, "give parameters in units").starts_with("column params reads "));
  EXPECT_TRUE(warning_with(result, "give tokens in units").starts_with("column tokens reads "));
}

// Tokens that follow from flops in PF-days are no column of the file.
TEST(Units, OfComputeAreToldWhereTokensFollowFromIt) {
  const Points grid = named_grid(1);
  const auto written = [&](double params, double flops) {
    std::string text = "params,flops,loss\n";
    for (std::size_t i = 0; i < grid.size(); ++i)
      text += fmt::format("{},{},{}\n", grid.params[i] / params,
                          6 * grid.params[i] * grid.tokens[i] / flops, grid.loss[i]);
    return fit_of(parse_csv(text, "p.csv"));
  };
  const Fit days = written(1, 8.64e22);
  EXPECT_TRUE(warning_with(days, "in units").starts_with("column flops reads "));
  EXPECT_TRUE(warning_with(written(1e6, 1), "in units").starts_with("column params reads "));
  EXPECT_TRUE(warning_with(written(1, 1e12), "in units").starts_with("tokens, computed by "));
  EXPECT_EQ(warning_with(written(1, 1), "in units"), "");
}

TEST(Units, OfColumnsThatTheLawDoesNotReadAreNoMatter) {
  Points points = named_grid(1);
  for (double& value : points.tokens) value /= 1e9;
  EXPECT_EQ(warning_with(fit_of(points, "kaplan-n"), "in units"), "");
  for (int i = 0; i < 81; ++i) {
    points.task_loss.push_back(1.2 - 0.005 * i);
    points.accuracy.push_back(0.25 + 0.6 / (1 + std::exp(12 * (points.task_loss.back() - 0.9))));
  }
  EXPECT_EQ(warning_with(fit_of(points, "accuracy-sigmoid"), "in units"), "");
}

TEST(Units, OfComputeAloneAreTold) {
  Points points;
  for (int i = 0; i < 12; ++i) {
    points.flops.push_back(0.1 * std::pow(3.0, i));  // PF-days
    points.loss.push_back(std::pow(3.1e8 / points.flops.back(), 0.05));
  }
  EXPECT_NE(warning_with(fit_of(points, "kaplan-c"), "give FLOP in units"), "");
}

TEST(Exponents, OnlyLawsThatHaveOneWarnOfANarrowRange) {
  Points points;
  for (int i = 0; i < 12; ++i) {
    points.task_loss.push_back(1.2 - 0.05 * i);
    points.loss.push_back(3 - 0.1 * i);
    points.accuracy.push_back(0.25 + 0.6 / (1 + std::exp(12 * (points.task_loss.back() - 0.9))));
    points.error.push_back(0.9 - 2 * std::exp(-0.7 * points.loss.back()));
    points.params.push_back(1e8 * (1 + 0.1 * i));
  }
  EXPECT_EQ(warning_with(fit_of(points, "accuracy-sigmoid"), "is a guess"), "");
  EXPECT_EQ(warning_with(fit_of(points, "error-exponential"), "is a guess"), "");
  EXPECT_NE(warning_with(fit_of(points, "kaplan-n"), "params span only a factor 2.1"), "");
}

// An exponential has no exponent, and a frontier is fitted at budgets of which its fit says more.
TEST(Exponents, ArePredictedWithWhatTheFitSaidOfThem) {
  const auto holds = [](const std::vector<std::string>& texts, std::string_view part) {
    return std::ranges::any_of(
        texts, [&](const std::string& text) { return text.find(part) != std::string::npos; });
  };
  Points points;
  for (int i = 0; i < 12; ++i) {
    points.flops.push_back(1e20 * std::pow(1.2, i));
    points.accuracy.push_back(0.25 + 0.6 / (1 + std::exp(4 * (1 - i * std::log(1.2)))));
  }
  const Fit shares = fit(points, {.law = "accuracy-sigmoid", .variable = "flops", .bootstrap = 0});
  EXPECT_FALSE(holds(shares.warnings, "is a guess"));
  EXPECT_FALSE(holds(predict(shares, RunSize{.flops = 3e20}).warnings, "is a guess"));
  const Points profiles = synthetic::isoflop_grid(synthetic::kEpoch);
  Fit frontier = fit(profiles, {.law = "chinchilla", .method = "approach2", .bootstrap = 0});
  frontier.flops = {1e20, 5e20};
  EXPECT_FALSE(holds(frontier.warnings, "is a guess"));
  EXPECT_FALSE(holds(predict(frontier, RunSize{.flops = 1e22}).warnings, "is a guess"));
}

TEST(Stages, OfMidDecayAloneAreTold) {
  Points points = named_grid(1);
  for (const auto& [stage, is_told] :
       {std::pair{"mid-decay", true}, {"constant-lr", false}, {"final", false}}) {
    points.stage.assign(points.size(), stage);
    EXPECT_EQ(!warning_with(fit_of(points), "every loss is of stage mid-decay").empty(), is_told)
        << stage;
  }
}

TEST(Compute, AtTheLimitOfSmallBatchesIsMeantToBeLess) {
  Points points = named_grid(1);
  for (std::size_t i = 0; i < points.size(); ++i) {
    points.batch.push_back(5e6);
    points.steps.push_back(points.tokens[i] / 5e6);
  }
  const Points limit = at_limiting_batch(points, {2.1e8, 0.21});
  EXPECT_EQ(warning_with(fit_of(limit, "kaplan-ns"), "flops differ"), "");
  points.flops.front() *= 2;
  EXPECT_NE(warning_with(fit_of(points), "flops differ"), "");
}

TEST(Kinds, CountForLawsThatReadThemAndHavePublishedValues) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.004, 3);
  const auto is_told = [&](const char* law, const char* kind) {
    points.conventions.params = kind;
    return !warning_with(fit_of(points, law), "published values").empty();
  };
  EXPECT_TRUE(is_told("chinchilla", "non-embedding"));
  EXPECT_TRUE(is_told("chinchilla", "active"));
  EXPECT_FALSE(is_told("chinchilla", "total"));
  EXPECT_TRUE(is_told("kaplan-c", "total"));  // Kaplan's C is of N without embeddings
  EXPECT_FALSE(is_told("kaplan-c", "non-embedding"));
  EXPECT_FALSE(is_told("kaplan-d", "non-embedding"));
  EXPECT_FALSE(is_told("power", "non-embedding"));
}

TEST(Sweeps, OfSettingsAreToldWhereLossesSayWhichIsBest) {
  Points points;
  for (const double params : {1e8, 2e8, 4e8})
    for (const double tokens : {2e9, 4e9, 8e9})
      for (const double factor : {0.5, 1.0, 2.0}) {
        points.params.push_back(params);
        points.tokens.push_back(tokens);
        points.learning_rate.push_back(factor * 1.79 * std::pow(params, -0.713) *
                                       std::pow(tokens, 0.307));
        points.batch.push_back(factor * 0.58 * std::pow(tokens, 0.571));
        points.loss.push_back(3 + std::fabs(factor - 1));
      }
  EXPECT_TRUE(warning_with(fit_of(points, "step-lr"), "--best-runs")
                  .starts_with("9 of 9 sizes were run with several learning rates"));
  EXPECT_TRUE(warning_with(fit_of(points, "step-batch"), "--best-runs")
                  .starts_with("9 of 9 sizes were run with several batches"));
  EXPECT_EQ(warning_with(fit_of(keep_best(points), "step-lr"), "--best-runs"), "");
  points.loss.clear();
  EXPECT_EQ(warning_with(fit_of(points, "step-lr"), "--best-runs"), "");
}

TEST(Compute, OfOneBudgetTellsNothingOfMore) {
  const Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.004, 4);
  EXPECT_EQ(warning_with(fit_of(points), "more compute"), "");
  const std::vector<std::size_t> first = {0, 1, 2, 3, 4, 5, 6, 7, 8};
  const Fit fit = fit_of(select(points, first));
  const std::string text = warning_with(fit, "more compute");
  EXPECT_TRUE(text.starts_with("flops span only a factor 1:")) << text;
  EXPECT_EQ(std::ranges::count(predict(fit, 1e9, 2e10).warnings, "of the fit: " + text), 1);
}

TEST(Trends, OfSharesThatGoTheWrongWayTurnOrStandStillAreTold) {
  const auto warning_of = [](const char* law, Variable read, Variable share, auto&& value) {
    Points points;
    for (int i = 0; i < 16; ++i) {
      const double loss = 0.4 + 0.1 * i;
      quantity(points, read).push_back(loss);
      quantity(points, share).push_back(value(loss) + 0.004 * std::sin(9.0 * i * i));
    }
    return warning_with(
        fit(points, {.law = law, .variable = std::string(to_string(read)), .bootstrap = 0}),
        "no law to extrapolate");
  };
  const auto of_accuracy = [&](auto&& value) {
    return warning_of("accuracy-sigmoid", Variable::task_loss, Variable::accuracy, value);
  };
  const auto falling = [](double loss) { return 0.25 + 0.6 / (1 + std::exp(4 * (loss - 1))); };
  EXPECT_EQ(of_accuracy(falling), "");
  EXPECT_TRUE(of_accuracy([](double loss) {
                return 0.2 + 0.2 * loss;
              }).starts_with("accuracy along falling task_loss: inverse"));
  EXPECT_NE(
      of_accuracy([](double loss) { return 0.3 + 0.2 * std::pow(loss - 1.1, 2); }).find("U-shaped"),
      std::string::npos);
  EXPECT_NE(of_accuracy([](double) { return 0.25; }).find("no trend"), std::string::npos);
  const auto of_error = [&](auto&& value) {
    return warning_of("error-exponential", Variable::loss, Variable::error, value);
  };
  EXPECT_EQ(of_error([&](double loss) { return 1 - falling(loss); }), "");
  EXPECT_TRUE(of_error(falling).starts_with("error along falling loss: inverse"));
}

TEST(Trends, CountPointsByTheirWeights) {
  const auto warning_of = [](double weight) {  // of every second point, which goes the wrong way
    Points points;
    for (int i = 0; i < 32; ++i) {
      const double loss = 0.4 + 0.05 * i;
      points.task_loss.push_back(loss);
      points.weight.push_back(i % 2 == 0 ? 1 : weight);
      points.accuracy.push_back(
          (i % 2 == 0 ? 0.25 + 0.6 / (1 + std::exp(4 * (loss - 1))) : 0.1 + 0.4 * loss) +
          0.004 * std::sin(9.0 * i * i));
    }
    return warning_with(fit(points, {.law = "accuracy-sigmoid", .bootstrap = 0}),
                        "no law to extrapolate");
  };
  EXPECT_EQ(warning_of(1e-6), "");
  EXPECT_NE(warning_of(1), "");
}

}  // namespace
}  // namespace isoflop::laws
