// The multi-power law along whole schedules, against the sum of the paper written out step by step.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "laws/points/csv.hpp"
#include "laws/predict/predict.hpp"
#include "laws/predict/predict_curve.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

const std::vector<double> kValues = {2.375, 0.654, 0.429, 523.425, 2.025, 0.594, 0.635};

Points schedule_of(const std::vector<double>& rates) {
  Points schedule;
  for (std::size_t k = 0; k < rates.size(); ++k) {
    schedule.steps.push_back(static_cast<double>(k + 1));
    schedule.learning_rate.push_back(rates[k]);
  }
  return schedule;
}

/// Warm-up over 100 steps, then a cosine to a tenth.
std::vector<double> cosine(int steps) {
  std::vector<double> rates;
  for (int k = 1; k <= steps; ++k)
    rates.push_back(
        3e-4 * (k <= 100 ? k / 100.0
                         : 0.55 + 0.45 * std::cos(3.141592653589793 * (k - 100) / (steps - 100))));
  return rates;
}

/// Equations 1 and 2 of the paper, every step a drop of its own.
double written_out(const std::vector<double>& rates, std::size_t t) {
  double area = 0;
  for (std::size_t k = 0; k <= t; ++k) area += rates[k];
  std::size_t peak = 0;
  for (std::size_t k = 1; k <= t; ++k)
    if (rates[k] > rates[peak]) peak = k;
  double drop = 0;
  double since = 0;
  for (std::size_t k = t; k > peak; --k) {
    since += rates[k];
    drop += (rates[k - 1] - rates[k]) *
            (1 - std::pow(1 + kValues[4] * std::pow(rates[k], -kValues[6]) * since, -kValues[5]));
  }
  return kValues[0] + kValues[1] * std::pow(area, -kValues[2]) - kValues[3] * drop;
}

Fit fit_of_paper() { return synthetic::fit_of("multi-power", kValues); }

TEST(Curves, FollowTheSumWrittenOut) {
  const std::vector<double> rates = cosine(4000);
  const auto curve = predict_curve(fit_of_paper(), schedule_of(rates));
  ASSERT_EQ(curve.size(), 1000u);
  EXPECT_EQ(curve.back().step, 4000);
  for (std::size_t k = 99; k < curve.size(); k += 100)
    EXPECT_NEAR(curve[k].loss, written_out(rates, static_cast<std::size_t>(curve[k].step) - 1),
                1e-4);  // what gathering the drops costs
}

TEST(Curves, AStepOfTheRateIsExact) {
  std::vector<double> rates(500, 3e-4);
  rates.resize(900, 1e-4);
  const auto curve = predict_curve(fit_of_paper(), schedule_of(rates));
  for (const std::size_t k : {0u, 300u, 500u, 501u, 899u})
    EXPECT_NEAR(curve[k].loss / written_out(rates, k), 1, 1e-12) << k;
  EXPECT_LT(curve[899].loss, curve[499].loss - 0.01);
}

TEST(Curves, AThinnedConstantRateChangesNothing) {
  Points thin;
  thin.steps = {250, 500, 750};
  thin.learning_rate = {3e-4, 3e-4, 1e-4};
  std::vector<double> rates(500, 3e-4);
  rates.resize(750, 1e-4);
  const auto full = predict_curve(fit_of_paper(), schedule_of(rates));
  EXPECT_NEAR(predict_curve(fit_of_paper(), thin).back().loss / full.back().loss, 1, 1e-12);
}

// The first steps without a warm-up change the loss more than all others.
TEST(Curves, OfManyRecordsAreFittedAsClosely) {
  std::vector<double> falling = cosine(1600), stairs(900, 3e-4);
  falling.erase(falling.begin(), falling.begin() + 100);
  stairs.resize(1500, 1e-4);
  Points points;
  for (const auto* rates : {&falling, &stairs})
    for (std::size_t k = 0; k < rates->size(); ++k) {
      points.steps.push_back(static_cast<double>(k + 1));
      points.learning_rate.push_back((*rates)[k]);
      points.loss.push_back(written_out(*rates, k));
      points.group.push_back(rates == &falling ? "falling" : "stairs");
    }
  const Fit fitted = fit(points, {.law = "multi-power", .bootstrap = 0});
  EXPECT_LT(fitted.residual_rms, 3e-5);
  for (std::size_t i = 0; i < kValues.size(); ++i)
    EXPECT_NEAR(fitted.parameters[i].value / kValues[i], 1, 0.02) << fitted.parameters[i].name;
}

TEST(Curves, PredictAScheduleThatNoFitSaw) {
  Points points = find_law("multi-power").example();  // a cosine, and a constant with a late decay
  const Fit fitted = fit(points, {.law = "multi-power", .bootstrap = 0});
  std::vector<double> rates(3000, 2e-4);
  rates.resize(6000, 5e-5);
  EXPECT_NEAR(predict_curve(fitted, schedule_of(rates)).back().loss / written_out(rates, 5999), 1,
              1e-5);
}

TEST(Curves, ARateOfZeroHasALoss) {
  std::vector<double> rates(500, 3e-4);
  rates.insert(rates.begin(), 0.0);
  rates.push_back(0.0);
  for (const CurvePoint& point : predict_curve(fit_of_paper(), schedule_of(rates)))
    EXPECT_TRUE(std::isfinite(point.loss)) << point.step;
}

TEST(Curves, ReadTheUsualNamesOfColumns) {
  const Points points = parse_csv("group,step,lr,loss\na,1,0,5\na,2,3e-4,4\n", "c.csv", {},
                                  find_law("multi-power").columns());
  EXPECT_EQ(points.steps, (std::vector<double>{1, 2}));
  EXPECT_EQ(points.learning_rate, (std::vector<double>{0, 3e-4}));
}

TEST(Curves, RefuseWhatTheyCannotRead) {
  Points twice = schedule_of({3e-4, 3e-4});
  twice.steps[1] = 1;
  EXPECT_THROW(predict_curve(fit_of_paper(), twice), InputError);
  const Fit other = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  EXPECT_THROW(predict_curve(other, schedule_of({3e-4, 3e-4})), InputError);
  EXPECT_THROW(predict(fit_of_paper(), RunSize{.steps = 100}), InputError);
}

TEST(Curves, WithoutATailAreRefused) {
  const auto error_of = [](const Points& points) -> std::string {
    try {
      fit(points, {.law = "multi-power", .bootstrap = 0});
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  Points points;
  for (int k = 1; k <= 12; ++k) {
    points.steps.push_back(10 * k);
    points.learning_rate.push_back(1e-4 * std::min(k, 12));
    points.loss.push_back(4 - 0.1 * k);
  }
  EXPECT_NE(error_of(points).find("0 points lie behind the largest learning rate"),
            std::string::npos);
  points.learning_rate[10] = points.learning_rate[11] = 9e-4;  // the peak is the tenth point
  EXPECT_NE(error_of(points).find("2 points lie behind the largest learning rate"),
            std::string::npos)
      << error_of(points);
  points.learning_rate.assign(12, 0.0);
  EXPECT_NE(error_of(points).find("the learning rate is 0"), std::string::npos);
}

TEST(Curves, MayHoldSeveralStages) {
  Points points = find_law("multi-power").example();
  for (std::size_t i = 0; i < points.size(); ++i)
    points.stage.push_back(i % 2 == 0 ? "mid-decay" : "constant-lr");
  EXPECT_EQ(fit(points, {.law = "multi-power", .bootstrap = 0}).conventions.stage, "along the run");
}

TEST(Curves, OneCurveAloneHasNoInterval) {
  Points points = find_law("multi-power").example();
  const Fit two = fit(points, {.law = "multi-power", .bootstrap = 8});
  EXPECT_EQ(two.draws.clusters, 2u);
  EXPECT_EQ(two.draws.rows.size(), 8u);
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (points.group[i] == points.group[0]) rows.push_back(i);
  Points one = select(points, rows);
  one.group.clear();
  const Fit alone = fit(one, {.law = "multi-power", .bootstrap = 8});
  EXPECT_TRUE(alone.draws.rows.empty());
  EXPECT_TRUE(std::isnan(alone.parameters[0].low));
  EXPECT_FALSE(predict_curve(alone, schedule_of(cosine(400))).back().interval);
  bool told = false;
  for (const std::string& warning : alone.warnings)
    told |= warning.find("one curve alone") != std::string::npos;
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace isoflop::laws
