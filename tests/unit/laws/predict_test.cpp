#include "laws/predict.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "laws/fit_json.hpp"
#include "laws/optimal.hpp"
#include "laws/optimal_report.hpp"
#include "laws/report.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

RunSize of_params(double params) { return {.params = params}; }

TEST(Predict, KaplanValues) {
  const Fit by_params = synthetic::fit_of("kaplan-n", {8.8e13, 0.076});
  EXPECT_NEAR(predict(by_params, of_params(1e8)).value, 2.8300, 5e-5);
  EXPECT_NEAR(predict(by_params, of_params(1e9)).value, 2.3756, 5e-5);
  EXPECT_NEAR(predict(by_params, of_params(1e10)).value, 1.9943, 5e-5);
  const Fit joint = synthetic::fit_of("kaplan-nd", {6.4e13, 1.8e13, 0.076, 0.103});
  EXPECT_NEAR(predict(joint, 1e9, 2.2e10).value, 2.3693, 5e-5);
  const Fit steps = synthetic::fit_of("kaplan-ns", {6.5e13, 2.1e3, 0.077, 0.76});
  EXPECT_NEAR(predict(steps, RunSize{.params = 1e8, .steps = 1e4}).value, 3.1082, 5e-5);
}

TEST(Predict, ExtrapolationCountsFromTheLargestFittedValue) {
  const Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  const Prediction far = predict(fit, 1e10, 5e10);
  EXPECT_DOUBLE_EQ(*far.extrapolation.params, 10);
  EXPECT_DOUBLE_EQ(*far.extrapolation.tokens, 0.5);
  EXPECT_DOUBLE_EQ(*far.extrapolation.flops, 3);
}

TEST(Predict, IntervalsWidenWithDistanceAndLevel) {
  const Fit result = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5),
                         {.law = "chinchilla", .bootstrap = 100});
  const auto width = [&](double scale, double level) {
    const Interval interval = *predict(result, 1e9 * scale, 1e11 * scale, level).interval;
    EXPECT_LT(interval.low, interval.high);
    return std::log(interval.high / interval.low);
  };
  EXPECT_LT(width(1, 0.8), width(100, 0.8));
  EXPECT_LT(width(1, 0.8), width(1, 0.95));
  // Inside the grid the scatter of the points dominates: 2 x 1.28 x 0.4%, times what rollouts say.
  const double scatter = 2 * 1.2816 * result.residual_rms * std::sqrt(result.rollout.scale);
  EXPECT_NEAR(width(1, 0.8), scatter, 0.1 * scatter);
}

TEST(Predict, FitsReadAgainPredictTheSameBits) {
  const Fit result = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5),
                         {.law = "chinchilla", .bootstrap = 30});
  const Fit again = fit_from_json(to_json(result), "fit.json");
  EXPECT_EQ(to_json(again.draws.rows.empty() ? result : again).substr(0, 600),
            to_json(result).substr(0, 600));
  EXPECT_EQ(to_json(predict(result, 7e10, 1.4e12)), to_json(predict(again, 7e10, 1.4e12)));
  EXPECT_EQ(to_json(optimal(result, 1e24)), to_json(optimal(again, 1e24)));
}

TEST(Predict, NamesWhatItNeeds) {
  const Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  EXPECT_THROW(predict(fit, of_params(1e9)), InputError);
  EXPECT_THROW(predict(fit, -1, 1e9), InputError);
  EXPECT_THROW(predict(fit, 1e9, 1e9, 1.5), InputError);
}

TEST(FitJson, RefusesWhatIsNotAFit) {
  const std::string good = to_json(
      fit(synthetic::isoflop_grid(synthetic::kEpoch), {.law = "chinchilla", .bootstrap = 2}));
  const auto error_of = [](const std::string& text) -> std::string {
    try {
      fit_from_json(text, "fit.json");
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  EXPECT_EQ(error_of(good), "no error");
  EXPECT_NE(error_of("{").find("fit.json: not JSON"), std::string::npos);
  EXPECT_NE(error_of("[]").find("fit.json: saw array, needed an object"), std::string::npos);
  EXPECT_NE(error_of("{}").find("'format' is missing"), std::string::npos);
  EXPECT_NE(error_of(replaced("chinchilla", "chinchile")).find("did you mean"), std::string::npos);
  EXPECT_NE(error_of(replaced("\"alpha\"", "\"alfa\"")).find("parameters: saw"), std::string::npos);
  EXPECT_NE(error_of(replaced("\"format\": 3", "\"format\": 9")).find("saw 9"), std::string::npos);
  EXPECT_NE(error_of(replaced("\"correlation\":[[", "\"correlation\":[[1],[")).find("saw 6 rows"),
            std::string::npos);
}

TEST(Report, ShowsParametersAndWarnings) {
  Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  fit.warnings = {"a warning"};
  const std::string text = describe(fit);
  EXPECT_NE(text.find("482.01"), std::string::npos);
  EXPECT_NE(text.find("warning    a warning"), std::string::npos);
  EXPECT_EQ(short_count(72.25e9), "72.2B");
  EXPECT_EQ(short_count(999.9), "1K");
}

// A flat loss puts the exponent at its bound, and Nc = exp(k / aN) beyond every number.
TEST(FitJson, AValueThatOverflowsIsReadAgain) {
  Points points;
  for (int k = 0; k < 8; ++k) {
    points.params.push_back(1e6 * std::pow(3.0, k));
    points.loss.push_back(k % 2 == 0 ? 2.99 : 3.01);
  }
  const Fit flat = fit(points, {.law = "kaplan-n", .bootstrap = 20});
  ASSERT_TRUE(std::isinf(flat.values()[0]));
  const Fit again = fit_from_json(to_json(flat), "fit.json");
  RunSize run;
  run.params = 1e10;
  EXPECT_NEAR(predict(flat, run).value, 3, 0.02);
  EXPECT_EQ(to_json(predict(flat, run)), to_json(predict(again, run)));
  EXPECT_EQ(again.draws.coordinates, flat.draws.coordinates);
}

TEST(Predict, LawsWithoutAForecastAreNamedOrRefused) {
  Fit mixed = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  const double alone = predict(mixed, 1e9, 1e10).value;
  Member lost = mixed.members.front();
  lost.coordinates.assign(5, std::numeric_limits<double>::quiet_NaN());
  mixed.is_ensemble = true;
  mixed.members.push_back(lost);
  const Prediction told = predict(mixed, 1e9, 1e10);
  EXPECT_EQ(told.value, alone);
  ASSERT_EQ(told.warnings.size(), 1u);
  EXPECT_TRUE(told.warnings[0].starts_with("1 of 2 laws")) << told.warnings[0];
  mixed.members = {lost};
  EXPECT_THROW(predict(mixed, 1e9, 1e10), InputError);
}

TEST(Predict, InfiniteDrawsEndTheIntervalAndUnknownOnesLeaveNone) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto open = interval_over_draws({3, kInfinity, 1, 2, kInfinity}, 0.8);
  ASSERT_TRUE(open);
  EXPECT_NEAR(open->low, 1.4, 1e-12);
  EXPECT_EQ(open->high, kInfinity);
  EXPECT_EQ(interval_over_draws({0, 1, 2, 3, kInfinity}, 0.5)->high, 3);
  EXPECT_FALSE(interval_over_draws({1, 2, kInfinity - kInfinity}, 0.8));
}

}  // namespace
}  // namespace isoflop::laws
