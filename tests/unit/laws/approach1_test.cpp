#include <gtest/gtest.h>

#include "core/error.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/plan/optimal.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

/// Training curves of twelve sizes, every loss on the surface (as if each point were fully
/// decayed).
Points curves(const std::vector<double>& values) {
  const Law& law = find_law("chinchilla");
  Points points;
  for (int size = 0; size < 12; ++size)
    for (int k = 0; k < 60; ++k) {
      points.params.push_back(1e7 * std::pow(2.0, size));
      points.tokens.push_back(1e8 * std::pow(1.15, k));
      points.loss.push_back(
          synthetic::loss(law, values, {points.params.back(), points.tokens.back()}));
      points.group.push_back("size " + std::to_string(size));
    }
  return points;
}

TEST(Approach1, FindsTheExponentsOfTheEnvelope) {
  FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 50};
  const Fit result = fit(curves(synthetic::kEpoch), options);
  EXPECT_NEAR(result.derived[0].value, 0.5126, 0.015);
  EXPECT_NEAR(result.derived[1].value, 0.4874, 0.015);
  const double truth =
      find_law("chinchilla").optimum(synthetic::to_vector(synthetic::kEpoch), 1e20)->params;
  EXPECT_NEAR(optimal(result, 1e20).params / truth, 1, 0.1);
  EXPECT_GT(result.derived[0].standard_error, 0);
}

// Rows of runs under schedules: rates at one size are no sweep, and --best-runs reads no curves.
TEST(Approach1, DoesNotWarnOfSweeps) {
  Points points = curves(synthetic::kEpoch);
  const std::size_t count = points.size();
  for (std::size_t i = 0; i < count; ++i) {
    points.params.push_back(points.params[i]);
    points.tokens.push_back(points.tokens[i]);
    points.loss.push_back(points.loss[i]);
    points.group.push_back(points.group[i] + " again");
  }
  points.learning_rate.assign(count, 1e-3);
  points.learning_rate.resize(points.size(), 2e-3);
  const Fit result = fit(points, {.law = "chinchilla", .method = "approach1", .bootstrap = 0});
  for (const std::string& warning : result.warnings)
    EXPECT_EQ(warning.find("several learning rates"), std::string::npos) << warning;
}

TEST(Approach1, SmoothsNoisyCurves) {
  const FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 0};
  Points points = curves(synthetic::kEpoch);
  RandomStream stream(5, Purpose::test);
  for (double& loss : points.loss) loss *= std::exp(0.01 * (stream.next_uniform() - 0.5));
  const Fit noisy = fit(points, options);
  const Fit exact = fit(curves(synthetic::kEpoch), options);
  EXPECT_NEAR(noisy.derived[0].value, exact.derived[0].value, 0.02);
  // The lowest of many noisy losses lies below the law; of smoothed ones hardly.
  const double flops = 1e20;
  EXPECT_NEAR(
      predict(noisy, RunSize{.flops = flops}).value / predict(exact, RunSize{.flops = flops}).value,
      1, 1e-3);
}

TEST(Approach1, NeitherOrderNorCopiesOfRowsChangeABit) {
  Points points = curves(synthetic::kEpoch);
  RandomStream stream(5, Purpose::test);
  for (double& loss : points.loss) loss *= std::exp(0.01 * (stream.next_uniform() - 0.5));
  const FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 10};
  const Fit once = fit(points, options);
  EXPECT_EQ(to_json(fit(synthetic::reversed(points), options)), to_json(once));
  Fit copied = fit(synthetic::halves(points), options);
  EXPECT_EQ(copied.used, 2 * once.used);
  copied.used = once.used;
  EXPECT_EQ(to_json(copied), to_json(once));
}

TEST(Approach1, SaysWhichRunsMakeNoCurve) {
  const FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 0};
  Points points = curves(synthetic::kEpoch);
  const std::size_t used = points.size();
  points.params.push_back(1e9);
  points.tokens.push_back(1e9);
  points.loss.push_back(3);
  points.group.push_back("short");
  const Fit result = fit(points, options);
  EXPECT_EQ(result.used, used);
  ASSERT_EQ(result.left_out.size(), 1u);
  EXPECT_EQ(result.left_out[0].name, "short");
}

TEST(Approach1, RefusesWeightsAndLeavesOutPointsWithoutARun) {
  FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 0};
  Points points = curves(synthetic::kEpoch);
  points.weight.assign(points.size(), 2.0);
  const Fit plain = fit(points, options);
  points.weight[3] = 1;
  EXPECT_THROW(fit(points, options), InputError);
  points.weight.clear();
  for (const double params : {3e7, 3e8}) {  // two points far below every curve
    points.params.push_back(params);
    points.tokens.push_back(1e10);
    points.loss.push_back(1);
    points.group.push_back("");
  }
  const Fit result = fit(points, options);
  EXPECT_EQ(result.values(), plain.values());
  ASSERT_EQ(result.left_out.size(), 2u);
  EXPECT_EQ(result.left_out[0].reason, "its group is empty: no curve to belong to");
  options.huber_delta = 1e-5;
  EXPECT_NE(fit(points, options).values(), plain.values());
}

TEST(Approach1, EvaluationsAtOneComputeBecomeTheirMean) {
  const FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 0};
  const Points points = curves(synthetic::kEpoch);
  std::vector<std::size_t> twice;
  for (std::size_t i = 0; i < 2 * points.size(); ++i) twice.push_back(i / 2);
  Points doubled = select(points, twice);
  for (std::size_t i = 0; i < doubled.size(); ++i) doubled.loss[i] *= i % 2 == 0 ? 1.01 : 1 / 1.01;
  const Fit one = fit(points, options);
  const Fit both = fit(doubled, options);
  EXPECT_EQ(both.used, doubled.size());
  for (std::size_t i = 0; i < one.values().size(); ++i)
    EXPECT_NEAR(both.values()[i] / one.values()[i], 1, 1e-6) << i;
}

TEST(Approach1, NeedsGroupsOfOneSize) {
  const FitOptions options = {.law = "chinchilla", .method = "approach1", .bootstrap = 0};
  Points points = curves(synthetic::kEpoch);
  points.params[5] *= 2;
  EXPECT_THROW(fit(points, options), InputError);
  points.group.clear();
  EXPECT_THROW(fit(points, options), InputError);
}

}  // namespace
}  // namespace isoflop::laws
