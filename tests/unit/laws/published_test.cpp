// Published figures for the 240 points that Besiroglu et al. 2024 (arXiv 2404.10102) read out of
// Hoffmann's figure 4.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "laws/fit/fit.hpp"
#include "laws/points/csv.hpp"

namespace isoflop::laws {
namespace {

class EpochPoints : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* named = std::getenv("ISOFLOP_EPOCH_DATA");
    const std::string folder = named != nullptr ? named : ISOFLOP_EPOCH_DATA;
    if (folder.empty())
      GTEST_SKIP() << "ISOFLOP_EPOCH_DATA does not name the folder of svg_extracted_data.csv";
    points_ = read_csv(folder + "/svg_extracted_data.csv",
                       {{"params", "Model Size"}, {"flops", "Training FLOP"}});
  }

  Fit fit_240(double delta, std::size_t draws = 0) const {
    return fit(points_,
               {.law = "chinchilla", .huber_delta = delta, .bootstrap = draws, .drop_worst = 5});
  }

  Points points_;
};

void expect_values(const Fit& fit, std::vector<double> values, std::vector<double> tolerances) {
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_NEAR(fit.parameters[i].value, values[i], tolerances[i]) << fit.parameters[i].name;
}

TEST_F(EpochPoints, HuberOptimum) {
  const Fit result = fit_240(1e-3);
  EXPECT_EQ(result.used, 240u);
  EXPECT_LE(result.objective, 1.0182741e-3);
  expect_values(result, {1.81722, 477.83, 2143.4, .34731, .36717}, {1e-4, .5, 4, 1e-4, 1e-4});
  EXPECT_GT(result.search.reached_best, result.search.starts / 2);
  EXPECT_LT(result.search.gradient_norm, 1e-9);
}

TEST_F(EpochPoints, LeastAbsoluteDeviations) {
  expect_values(fit_240(1e-8), {1.81686, 482.01, 2085.4, .34781, .36585},
                {1e-4, .5, 4, 1e-4, 1e-4});
}

TEST_F(EpochPoints, AllPoints) {
  const Fit result = fit(points_, {.law = "chinchilla", .bootstrap = 0});
  EXPECT_NEAR(result.parameters[0].value, 1.8913, 1e-3);
  EXPECT_NEAR(result.parameters[4].value, .4530, 1e-3);
}

TEST_F(EpochPoints, OnlyThoseThatWereLeftOutAreGrossOutliers) {
  const auto outliers = [](const Fit& fit) -> std::string {
    for (const std::string& warning : fit.warnings)
      if (warning.find("standard deviations") != std::string::npos) return warning;
    return "none";
  };
  EXPECT_EQ(outliers(fit_240(1e-3)), "none");
  const std::string all = outliers(fit(points_, {.law = "chinchilla", .bootstrap = 0}));
  EXPECT_TRUE(all.starts_with("4 of 245 points lie further")) << all;
}

const Alternative& find(const Fit& fit, std::string_view loss, double delta, std::size_t left_out) {
  for (const Alternative& one : fit.alternatives)
    if (one.loss == loss && (delta == 0 || one.huber_delta == delta) && one.left_out == left_out)
      return one;
  throw std::runtime_error("no such alternative");
}

// alpha, beta and a by three losses, as an independent script found them.
TEST_F(EpochPoints, OtherLosses) {
  const Fit result =
      fit(points_, {.law = "chinchilla", .bootstrap = 0, .drop_worst = 5, .details = true});
  const auto expect = [&](const Alternative& one, double alpha, double beta, double a) {
    EXPECT_NEAR(one.parameters[3], alpha, 6e-4) << one.loss;
    EXPECT_NEAR(one.parameters[4], beta, 6e-4) << one.loss;
    EXPECT_NEAR(one.derived[0], a, 6e-4) << one.loss;
  };
  expect(find(result, "huber", 1e-3, 0), .347, .367, .514);
  expect(find(result, "huber", 1e-2, 0), .354, .382, .518);
  expect(find(result, "least squares", 0, 0), .360, .406, .530);
}

TEST_F(EpochPoints, LeastSquaresOfTheLossesThemselves) {
  const Fit result =
      fit(points_, {.law = "chinchilla", .bootstrap = 0, .drop_worst = 5, .details = true});
  const std::vector<double>& v = find(result, "least squares of losses", 0, 0).parameters;
  EXPECT_NEAR(v[3], .357615, 1e-5);
  EXPECT_NEAR(v[4], .427621, 1e-5);
  const Points kept = drop_worst(prepare(points_), 5);
  double squares = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const double predicted =
        v[0] + v[1] * std::pow(kept.params[i], -v[3]) + v[2] * std::pow(kept.tokens[i], -v[4]);
    squares += std::pow(predicted - kept.loss[i], 2);
  }
  EXPECT_NEAR(squares, .0832038, 1e-7);
}

TEST_F(EpochPoints, OutlierCurve) {
  const Fit result = fit(points_, {.law = "chinchilla", .bootstrap = 0, .details = true});
  const std::pair<std::size_t, double> curve[] = {{0, .453}, {1, .412},  {3, .382},
                                                  {5, .367}, {10, .358}, {20, .327}};
  for (const auto& [left_out, beta] : curve)
    EXPECT_NEAR(find(result, "huber", 1e-3, left_out).parameters[4], beta, 6e-4) << left_out;
}

TEST_F(EpochPoints, BootstrapErrors) {
  const Fit result = fit_240(1e-3, 4000);
  const auto close = [](double seen, double published, double tolerance) {
    EXPECT_NEAR(seen / published, 1, tolerance);
  };
  close(result.parameters[0].standard_error, .0257, .06);
  close(result.parameters[1].standard_error, 124.5, .06);
  close(result.parameters[2].standard_error, 1293, .15);
  close(result.parameters[3].standard_error, .0154, .06);
  close(result.parameters[4].standard_error, .0206, .06);
  close(result.derived[0].standard_error, .0200, .06);
  EXPECT_NEAR(result.derived[0].high - result.derived[0].low, .0514, .003);
}

}  // namespace
}  // namespace isoflop::laws
