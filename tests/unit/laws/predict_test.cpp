#include "laws/predict/predict.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.hpp"
#include "core/text.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/plan/optimal.hpp"
#include "laws/plan/optimal_report.hpp"
#include "laws/predict/prediction_json.hpp"
#include "laws/predict/report.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

RunSize of_params(double params) { return {.params = params}; }

TEST(Predict, SaysHowFarBeyondTheFitInWhatTheLawReads) {
  Points points;
  for (int i = 0; i < 12; ++i) {
    points.task_loss.push_back(1.2 - 0.05 * i);
    points.accuracy.push_back(0.25 + 0.6 / (1 + std::exp(12 * (points.task_loss.back() - 0.9))));
  }
  const Fit sigmoid =
      fit_from_json(to_json(fit(points, {.law = "accuracy-sigmoid", .bootstrap = 0})), "fit.json");
  const Prediction below = predict(sigmoid, RunSize{.task_loss = 0.325});
  EXPECT_NEAR(below.extrapolation.others.at(Variable::task_loss).value(), 2, 1e-12);
  EXPECT_NE(describe(sigmoid, {below}).find("beyond the fit in task_loss\n"), std::string::npos);
  EXPECT_NE(describe(sigmoid, {below}).find("   2x\n"), std::string::npos)
      << describe(sigmoid, {below});
  EXPECT_NE(to_json(below).find("\"task_loss\":"), std::string::npos);

  const Fit steps = fit(find_law("kaplan-ns").example(), {.law = "kaplan-ns", .bootstrap = 0});
  const std::string text = describe(steps, {predict(steps, RunSize{.params = 2e9, .steps = 6e6})});
  EXPECT_NE(text.find("beyond the fit in N, steps\n"), std::string::npos) << text;
  EXPECT_NE(text.find("   2x, 3x\n"), std::string::npos) << text;
}

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

TEST(Predict, ManyAreWrittenAsEachOne) {
  const Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  const std::vector<Prediction> predictions = {predict(fit, 1e9, 2e10), predict(fit, 1e10, 2e11)};
  std::ostringstream members;
  write_members(members, predictions);
  const auto list = nlohmann::json::parse("{" + members.str() + "}").at("points");
  ASSERT_EQ(list.size(), 2u);
  for (std::size_t i = 0; i < list.size(); ++i)
    EXPECT_EQ(list[i], nlohmann::json::parse(to_json(predictions[i])));
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
  EXPECT_EQ(to_json(again), to_json(result));
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
  EXPECT_NE(error_of(replaced("\"format\": 7", "\"format\": 9")).find("fit the points again"),
            std::string::npos);
  EXPECT_NE(error_of(replaced("\"correlation\":[[", "\"correlation\":[[1],[")).find("saw 6 rows"),
            std::string::npos);
  const std::string others = R"("others":{"foo":{"low":1,"high":2}})";
  EXPECT_NE(
      error_of(replaced("\"others\":{}", others)).find(": points: others: variable: 'foo' is"),
      std::string::npos);
  EXPECT_NE(
      error_of(replaced("\"axes\":[", "\"axes\":[\"foo\",")).find(": rollout: axes: variable:"),
      std::string::npos);
}

TEST(FitJson, RefusesPartsThatContradictEachOther) {
  const Fit good = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.004, 5),
                       {.law = "chinchilla", .bootstrap = 2});
  const auto error_after = [&](auto&& change) -> std::string {
    Fit changed = good;
    change(changed);
    try {
      fit_from_json(to_json(changed), "fit.json");
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  const auto expect = [&](auto&& change, const char* part) {
    const std::string error = error_after(change);
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  EXPECT_EQ(error_after([](Fit&) {}), "no error");
  expect([](Fit& f) { f.members[0].weight = 0; }, "members: weight: saw 0 in all");
  expect([](Fit& f) { f.members[0].information.assign(15, 0.0); }, "information: saw 0");
  expect([](Fit& f) { f.parameters[3].value = -5; }, "parameters has -5");
  expect([](Fit& f) { f.parameters[3].value = f.members[0].values[3] = -5; },
         "values: saw alpha = -5, but its coordinates say");
  expect([](Fit& f) { f.rollout.scale = -1; }, "rollout: scale: saw -1");
  expect([](Fit& f) { f.residual_rms = -1; }, "residual_rms: saw -1");
  expect([](Fit& f) { f.members[0].residual_rms = -1; }, "members: residual_rms: saw -1");
  expect([](Fit& f) { f.members[0].noise = -1; }, "members: noise: saw -1");
  expect([](Fit& f) { f.level = 7; }, "level: saw 7");
  expect([](Fit& f) { f.members[0].law = "kaplan-nd"; }, "members: ");
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
  const Fit flat = fit(points, {.law = "kaplan-n", .bootstrap = 20, .details = true});
  ASSERT_TRUE(std::isinf(flat.values()[0]));
  ASSERT_FALSE(flat.alternatives.empty());
  const Fit again = fit_from_json(to_json(flat), "fit.json");
  EXPECT_EQ(to_json(again), to_json(flat));
  RunSize run;
  run.params = 1e10;
  EXPECT_NEAR(predict(flat, run).value, 3, 0.02);
  EXPECT_EQ(to_json(predict(flat, run)), to_json(predict(again, run)));
  EXPECT_EQ(again.draws.coordinates, flat.draws.coordinates);
}

// Losses that no law explains leave most parameters open, in one law or another.
TEST(FitJson, FitsOfLossesThatDoNotFallAreReadAgain) {
  for (const double slope : {0.0, 0.05}) {
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < 81; i += 3) rows.push_back(i);
    Points points = select(synthetic::isoflop_grid(synthetic::kEpoch), rows);
    for (std::size_t i = 0; i < points.size(); ++i)
      points.loss[i] = 3 * std::pow(points.params[i] * points.tokens[i] / 1e18, slope);
    for (const char* law : {"chinchilla", "kaplan-nd", "farseer", "power"}) {
      const Fit result = fit(points, {.law = law, .bootstrap = 3, .details = true});
      const Fit again = fit_from_json(to_json(result), "fit.json");
      EXPECT_EQ(to_json(again), to_json(result)) << law;
      EXPECT_EQ(describe(result).find("nan"), std::string::npos) << describe(result);
      EXPECT_NEAR(predict(again, points.params[13], points.tokens[13]).value, points.loss[13], 1.5)
          << law;
    }
  }
}

TEST(Predict, ExactFlopsAndSixNDAreNotMixed) {
  Fit exact = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  exact.conventions.flops = "exact";
  const Prediction near = predict(exact, 1e8, 1e10);
  EXPECT_FALSE(near.run.flops);
  EXPECT_FALSE(near.extrapolation.flops);
  EXPECT_EQ(describe(exact, optimal(exact, 1e20)).find("the largest fitted compute"),
            std::string::npos);
  EXPECT_THROW(predict(exact, RunSize{.flops = 1e20}), InputError);
  Fit power = synthetic::fit_of("power", {20, 0.05});
  power.variable = power.members[0].variable = "flops";
  EXPECT_EQ(predict(power, 1e8, 1e10).run.flops, 6e18);
  power.conventions.flops = "exact";
  EXPECT_THROW(predict(power, 1e8, 1e10), InputError);
  EXPECT_NO_THROW(predict(power, RunSize{.flops = 6e18}));
}

TEST(Predict, RefusesSizesThatContradictEachOther) {
  Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  const RunSize wrong = {.params = 1e8, .tokens = 1e10, .flops = 1e20};
  EXPECT_NO_THROW(predict(fit, wrong));  // it does not say how its points count
  fit.conventions.flops = "6nd";
  EXPECT_THROW(predict(fit, wrong), InputError);
  EXPECT_NO_THROW(predict(fit, RunSize{.params = 1e8, .tokens = 1e10, .flops = 6.001e18}));
}

TEST(Predict, TwoSizesGiveTheThirdWhereFlopsAreSixND) {
  Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  const double value = predict(fit, 1e8, 1e10).value;
  EXPECT_EQ(predict(fit, RunSize{.params = 1e8, .flops = 6e18}).value, value);
  EXPECT_EQ(predict(fit, RunSize{.tokens = 1e10, .flops = 6e18}).value, value);
  fit.conventions.flops = "exact";
  EXPECT_THROW(predict(fit, RunSize{.params = 1e8, .flops = 6e18}), InputError);
}

// The cuts of its rollouts are of compute: how far it is beyond them is not known either.
TEST(Predict, ARunOfUnknownComputeHasNoCalibratedInterval) {
  Fit fit = synthetic::fit_of("kaplan-ns", {6.5e13, 2.1e3, 0.077, 0.76});
  fit.rollout.growth = {{Variable::flops}, {Variable::params}};
  fit.rollout.reach = {1e20, 1e9};
  fit.rollout.cuts = {{.size = 1e19, .fitted = 20, .held_out = 3, .looked_at = 3}};
  fit.rollout.nested_scores = {0.5, 1, 2};
  const Interval unknown = *predict(fit, RunSize{.params = 1e8, .steps = 1e4}).interval;
  EXPECT_EQ(unknown.not_calibrated,
            "the run's compute is not known, nor then how far it is beyond the points");
  EXPECT_FALSE(unknown.measured_coverage);
  const RunSize known = {.params = 1e8, .flops = 1e19, .steps = 1e4};
  EXPECT_EQ(predict(fit, known).interval->not_calibrated, "");
  EXPECT_TRUE(predict(fit, known).interval->measured_coverage);
}

TEST(Predict, AShareEndsAtOne) {
  Points points = find_law("accuracy-sigmoid").example();
  RandomStream stream(1, Purpose::test);
  for (double& accuracy : points.accuracy)
    accuracy = std::clamp(accuracy + 0.4 * (stream.next_uniform() - 0.5), 0.0, 1.0);
  const Fit sigmoid = fit(points, {.law = "accuracy-sigmoid", .bootstrap = 0});
  const Interval good = *predict(sigmoid, RunSize{.task_loss = 0.2}, 0.999).interval;
  const Interval bad = *predict(sigmoid, RunSize{.task_loss = 2.5}, 0.999).interval;
  EXPECT_EQ(good.high, 1);
  EXPECT_GE(bad.low, 0);
  EXPECT_LT(good.low, good.high);

  Fit beyond = synthetic::fit_of("error-exponential", {0.9, 5, 1.3});
  beyond.variable = beyond.members[0].variable = "loss";
  const double loss = 0.5;  // 0.9 - 5 exp(-0.65) < 0
  const Prediction below = predict(beyond, RunSize{.loss = loss});
  EXPECT_LT(below.value, 0);
  ASSERT_EQ(below.warnings.size(), 2u);
  EXPECT_NE(below.warnings[0].find("no share from 0 to 1"), std::string::npos);
  EXPECT_NE(below.warnings[1].find("copied from print"), std::string::npos);
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

bool holds(const std::vector<std::string>& texts, std::string_view part) {
  return std::ranges::any_of(
      texts, [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

// The fit and what asks it count as narrow the same.
TEST(Predict, RepeatsWhatTheFitSaysAgainstItsLaw) {
  for (const double span : {7.9, 8.1}) {
    Points points;
    for (int i = 0; i < 6; ++i)
      for (int k = 0; k < 6; ++k) {
        points.params.push_back(1e8 * std::pow(span, i / 5.0));
        points.tokens.push_back(1e9 * std::pow(100.0, k / 5.0));
        points.loss.push_back(synthetic::loss(find_law("chinchilla"), synthetic::kEpoch,
                                              {points.params.back(), points.tokens.back()}));
      }
    const Fit narrow = fit(points, {.law = "chinchilla", .bootstrap = 0});
    EXPECT_EQ(holds(narrow.warnings, "params span only a factor"), span < 8);
    EXPECT_EQ(holds(predict(narrow, 1e9, 1e10).warnings, "params span only a factor"), span < 8);
  }
  Fit doubtful = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  EXPECT_TRUE(predict(doubtful, 1e9, 1e10).warnings.empty());
  doubtful.search.best = {{.values = {}, .at_bound = {"E", "A"}}};
  doubtful.search.converged = false;
  const Prediction one = predict(doubtful, 1e9, 1e10);
  EXPECT_TRUE(holds(one.warnings, "E, A at a bound") && holds(one.warnings, "not sharp"));
  const std::string text = describe(doubtful, {one, one});  // once, whatever the rows
  EXPECT_EQ(text.find("not sharp"), text.rfind("not sharp"));
}

}  // namespace
}  // namespace isoflop::laws
