// What stands beside a fit: other losses, correlations, profiles, other draws, weights.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "laws/fit/alternatives.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/numerics/linear_algebra.hpp"
#include "laws/points/weights.hpp"
#include "laws/predict/report.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

Fit detailed(const Points& points, FitOptions options) {
  options.details = true;
  return fit(points, options);
}

const Alternative& find(const Fit& fit, std::string_view loss, std::size_t left_out = 0) {
  for (const Alternative& one : fit.alternatives)
    if (one.loss == loss && one.left_out == left_out) return one;
  throw std::runtime_error("no such alternative");
}

TEST(Alternatives, ShowWhatOneOutlierDoesToEachLoss) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.001, 1);
  const auto worst = std::max_element(points.loss.begin(), points.loss.end());
  *worst *= 1.5;
  const Fit result = detailed(points, {.law = "chinchilla", .bootstrap = 0});
  const double truth = 0.3658;
  const auto miss = [&](const Alternative& one) { return std::fabs(one.parameters[4] - truth); };
  EXPECT_GT(miss(find(result, "least squares")), 0.03);
  EXPECT_LT(miss(find(result, "least absolute deviations")), 0.01);
  EXPECT_LT(miss(find(result, "huber", 1)), 0.01);
  EXPECT_EQ(result.alternatives.front().parameters, result.values());
  ASSERT_EQ(result.alternatives.front().derived.size(), 3u);
  EXPECT_EQ(result.alternatives.front().derived[0], result.derived[0].value);
  EXPECT_NE(describe(result).find("least absolute deviations"), std::string::npos);
}

// A place where the objective is NaN is no better one.
TEST(Alternatives, BeginAtNoPlaceWithoutAValue) {
  const synthetic::Cliff law;
  const Points points = prepare(synthetic::level_points());
  const std::vector<Vector> starts = {Vector{1}, Vector{20}};
  for (const Alternative& one :
       find_alternatives({&law, law.variables}, points, points, 1e-3, starts))
    EXPECT_NEAR(one.parameters.at(0), std::log(3.0), 0.01) << one.loss;
}

TEST(Alternatives, OfCurvesBeginWithTheFitItself) {
  const Fit result =
      detailed(find_law("multi-power").example(), {.law = "multi-power", .bootstrap = 0});
  ASSERT_EQ(result.alternatives.front().parameters.size(), 7u);
  for (std::size_t i = 0; i < 7; ++i)
    EXPECT_NEAR(result.alternatives.front().parameters[i] / result.parameters[i].value, 1, 1e-3)
        << result.parameters[i].name;
}

TEST(Report, StatesTheUnitOfThePoints) {
  Fit result = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  EXPECT_NE(describe(result).find("irreducible loss, nats/token"), std::string::npos);
  result.conventions.loss = "bits_per_byte";
  EXPECT_NE(describe(result).find("irreducible loss, bits/byte"), std::string::npos);
  EXPECT_EQ(describe(result).find("nats/token"), std::string::npos);
}

// A miss of ln loss is a share of the loss; an accuracy is missed by what it is missed by.
TEST(Report, MissesAreSharesOfTheLossAlone) {
  const auto report_of = [](const char* law, double value) {
    Fit result = synthetic::fit_of(law, {value, 0.5, 1, 1});
    result.residual_rms = 0.0123;
    result.rollout.growth = {{Variable::loss}, {}};
    result.rollout.cuts = {{.size = 1, .held_out = 3, .looked_at = 3, .rms_miss = 0.0456}};
    return describe(result);
  };
  const std::string nats = report_of("kaplan-nd", 1e13);
  EXPECT_NE(nats.find("residuals  1.23% rms of the loss"), std::string::npos) << nats;
  EXPECT_NE(nats.find("above by 4.56% rms"), std::string::npos) << nats;
  const std::string shares = report_of("accuracy-sigmoid", -0.7);
  EXPECT_NE(shares.find("residuals  0.0123 rms of the accuracy"), std::string::npos) << shares;
  EXPECT_NE(shares.find("above by 0.0456 rms"), std::string::npos) << shares;
}

TEST(Precision, OfAStraightLine) {
  Points points;
  double mean = 0;
  double squares = 0;
  for (int i = 0; i < 20; ++i) {
    const double x = 1 + 0.3 * i;
    points.params.push_back(std::exp(x));
    points.loss.push_back(std::exp(2 - 0.1 * x + (i % 2 ? 1e-3 : -1e-3)));
    mean += x / 20;
    squares += x * x / 20;
  }
  const Fit result =
      fit(points, {.law = "power", .variable = "params", .huber_delta = 1, .bootstrap = 0});
  // the columns of the design are 1 and -x
  const double cosine = mean / std::sqrt(squares);
  ASSERT_EQ(result.precision.correlation.size(), 2u);
  EXPECT_NEAR(result.precision.condition_number, (1 + cosine) / (1 - cosine), 1e-4);
  EXPECT_NEAR(std::fabs(result.precision.correlation[1][0]), cosine, 1e-6);
  EXPECT_EQ(result.precision.correlation[0][1], result.precision.correlation[1][0]);
}

TEST(Precision, EigenvaluesOfASymmetricMatrix) {
  Matrix matrix{};
  const double entries[3][3] = {{2, -1, 0}, {-1, 2, -1}, {0, -1, 2}};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t k = 0; k < 3; ++k) at(matrix, i, k) = entries[i][k];
  const Vector values = symmetric_eigenvalues(matrix, 3);
  EXPECT_NEAR(values[0], 2 - std::sqrt(2.0), 1e-14);
  EXPECT_NEAR(values[1], 2, 1e-14);
  EXPECT_NEAR(values[2], 2 + std::sqrt(2.0), 1e-14);
}

TEST(Profiles, AgreeWithTheBootstrapWhereTheLawHolds) {
  const Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.003, 4);
  for (const double delta : {1.0, 1e-3}) {
    const Fit result =
        detailed(points, {.law = "chinchilla", .huber_delta = delta, .bootstrap = 300});
    ASSERT_EQ(result.profiles.size(), 2u);
    const Estimate beside[] = {result.parameters[0], result.derived[0]};
    for (std::size_t k = 0; k < 2; ++k) {
      const LikelihoodProfile& profile = result.profiles[k];
      EXPECT_EQ(profile.name, beside[k].name);
      ASSERT_TRUE(profile.low && profile.high);
      EXPECT_LT(*profile.low, beside[k].value);
      EXPECT_GT(*profile.high, beside[k].value);
      EXPECT_NEAR((*profile.high - *profile.low) / (beside[k].high - beside[k].low), 1, 0.3);
      EXPECT_EQ(*std::min_element(profile.deviance.begin(), profile.deviance.end()), 0);
    }
  }
}

TEST(Profiles, SayThatThePointsSetNoFloor) {
  Points points;
  for (int i = 0; i < 12; ++i) {
    points.params.push_back(1e6 * std::pow(1.5, i));
    points.loss.push_back(40 * std::pow(points.params.back(), -0.2) *
                          (i % 3 == 0   ? 1.01
                           : i % 3 == 1 ? 0.99
                                        : 1.0));
  }
  const Fit result = detailed(
      points, {.law = "power-offset", .variable = "params", .huber_delta = 1, .bootstrap = 0});
  ASSERT_EQ(result.profiles.size(), 1u);
  EXPECT_FALSE(result.profiles[0].low.has_value());
  EXPECT_TRUE(result.profiles[0].high.has_value());
  EXPECT_NE(describe(result).find("E no limit to"), std::string::npos);
}

TEST(Details, SurviveTheFile) {
  const Fit result = detailed(synthetic::noisy_grid(synthetic::kEpoch, 0.003, 4),
                              {.law = "chinchilla", .bootstrap = 10});
  const std::string text = to_json(result);
  EXPECT_EQ(to_json(fit_from_json(text, "fit.json")), text);
}

TEST(Details, SayWhatMissesAreDifferencesOf) {
  for (const auto& [law, scale] :
       {std::pair{"chinchilla", "log"}, {"error-exponential", "linear"}}) {
    const Fit result = fit(find_law(law).example(), {.law = law, .bootstrap = 0});
    EXPECT_EQ(nlohmann::json::parse(to_json(result))["scale"], scale) << law;
  }
}

TEST(Details, DoNotDependOnTheOrderOfKeys) {
  for (const char* method : {"approach3", "approach2"}) {
    const std::string text =
        to_json(detailed(synthetic::noisy_grid(synthetic::kEpoch, 0.003, 4),
                         {.law = "chinchilla", .method = method, .bootstrap = 10}));
    const std::string sorted = nlohmann::json::parse(text).dump();
    EXPECT_LT(sorted.find("\"bias\""), sorted.find("\"law\""));
    EXPECT_EQ(to_json(fit_from_json(sorted, "sorted.json")), text) << method;
  }
}

TEST(Details, OfProfilesSurviveTheFile) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.002, 3);
  for (std::size_t i = 0; i < 9; ++i) points.loss[i] = 8 - points.loss[i];  // a maximum
  const Fit result =
      detailed(points, {.law = "chinchilla", .method = "approach2", .bootstrap = 10});
  ASSERT_EQ(result.budgets.size(), 9u);
  ASSERT_FALSE(result.budgets.front().rejected.empty());
  const std::string text = to_json(result);
  const Fit again = fit_from_json(text, "fit.json");
  EXPECT_EQ(again.budgets.size(), 9u);
  EXPECT_EQ(to_json(again), text);
}

TEST(Residuals, GiveTheErrorsOfPairsForEvenNoise) {
  const Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.003, 4);
  FitOptions options = {.law = "chinchilla", .huber_delta = 1, .bootstrap = 400};
  const Fit pairs = fit(points, options);
  options.interval = "residuals";
  const Fit residuals = fit(points, options);
  EXPECT_EQ(residuals.draws.of, "residuals");
  for (std::size_t i = 0; i < 5; ++i)
    EXPECT_NEAR(residuals.parameters[i].standard_error / pairs.parameters[i].standard_error, 1, 0.3)
        << pairs.parameters[i].name;
}

TEST(Residuals, AreRefusedForGroups) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.003, 4);
  FitOptions options = {.law = "chinchilla", .bootstrap = 4, .interval = "residuals"};
  points.group.assign(points.size(), "one run");
  EXPECT_THROW(fit(points, options), InputError);
  points.group.clear();
  options.interval = "wild";
  EXPECT_THROW(fit(points, options), InputError);
  options = {.law = "chinchilla", .method = "approach2", .interval = "residuals"};
  EXPECT_THROW(fit(points, options), InputError);
}

Points three_points() {
  Points points;
  points.params = {1e6, 1e6, 2e6};
  points.tokens = {1e8, 1e8, 1e8};
  points.loss = {4.0, 4.2, 3.5};
  return points;
}

TEST(Weights, ByCompute) {
  const Points weighed = weigh(three_points(), "compute");
  EXPECT_NEAR(weighed.weight[0], 0.75, 1e-15);
  EXPECT_NEAR(weighed.weight[2], 1.5, 1e-15);
  EXPECT_EQ(weighed.notes.size(), 1u);
}

TEST(Weights, ByReplicates) {
  Points points = three_points();
  points.params.push_back(2e6);
  points.tokens.push_back(1e8);
  points.loss.push_back(3.6);
  points.weight = {1, 1, 1, 2};
  const double first = std::pow(std::log(4.2 / 4.0), 2) / 2;
  const double second = std::pow(std::log(3.6 / 3.5), 2) / 2;
  const double pooled = (first + second) / 2;
  const Points weighed = weigh(points, "replicates");
  EXPECT_NEAR(weighed.weight[0], pooled / ((first + 4 * pooled) / 5), 1e-12);
  EXPECT_NEAR(weighed.weight[3], 2 * pooled / ((second + 4 * pooled) / 5), 1e-12);
}

TEST(Weights, NameWhatTheyNeed) {
  Points points = three_points();
  EXPECT_THROW(weigh(points, "luck"), InputError);
  points.params[1] = 3e6;
  EXPECT_THROW(weigh(points, "replicates"), InputError);
  points.tokens.clear();
  EXPECT_THROW(weigh(points, "compute"), InputError);
}

}  // namespace
}  // namespace isoflop::laws
