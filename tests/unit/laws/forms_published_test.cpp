// Laws at their published constants give the published figures.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.hpp"
#include "laws/points/critical_batch.hpp"
#include "laws/predict/predict.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

/// The prediction at the law's example values, which are the published ones.
double published(std::string_view name, const RunSize& run) {
  const Law& law = find_law(name);
  const Vector values = example_values(law);
  const auto end = values.begin() + static_cast<long>(law.size());
  return predict(synthetic::fit_of(std::string(name), {values.begin(), end}), run).value;
}

constexpr double kPetaflopDay = 8.64e19;
constexpr CriticalBatch kKaplanBatch = {2.1e8, 0.21};

TEST(Published, KaplanLosses) {
  EXPECT_NEAR(published("kaplan-n", {.params = 1e8}), 2.8300, 5e-5);
  EXPECT_NEAR(published("kaplan-n", {.params = 1e9}), 2.3756, 5e-5);
  EXPECT_NEAR(published("kaplan-n", {.params = 1e10}), 1.9943, 5e-5);
  EXPECT_NEAR(published("kaplan-nd", {.params = 1e9, .tokens = 2.2e10}), 2.3693, 5e-5);
  EXPECT_NEAR(published("kaplan-ns", {.params = 1e8, .steps = 1e4}), 3.1082, 5e-5);
  // away from the constants, where any exponent gives 1
  EXPECT_NEAR(published("kaplan-d", {.tokens = 5.4e13}), 1, 1e-12);
  EXPECT_NEAR(published("kaplan-d", {.tokens = 1e9}), 2.8156, 5e-5);
  EXPECT_NEAR(published("kaplan-d", {.tokens = 2.2e10}), 2.0992, 5e-5);
  EXPECT_NEAR(published("kaplan-c", {.flops = 3.1e8 * kPetaflopDay}), 1, 1e-12);
  EXPECT_NEAR(published("kaplan-c", {.flops = kPetaflopDay}), 2.6581, 5e-5);
  EXPECT_NEAR(published("kaplan-c", {.flops = 1e-3 * kPetaflopDay}), 3.7546, 5e-5);
  const Fit at_one_batch = synthetic::fit_of("kaplan-c", {1.6e7 * kPetaflopDay, 0.057});
  EXPECT_NEAR(predict(at_one_batch, RunSize{.flops = kPetaflopDay}).value, 2.5742, 5e-5);
}

// Bcrit = 2.0e6 Cmin^.24 tokens, Cmin in PF-days, is Bcrit(L) along L(Cmin).
TEST(Published, KaplanCriticalBatchOnTheFrontier) {
  const auto batch = [](double days) {
    return kKaplanBatch.at(published("kaplan-c", {.flops = days * kPetaflopDay}));
  };
  EXPECT_NEAR(batch(1), 2.0e6, 0.05e6);
  EXPECT_NEAR(std::log10(batch(10) / batch(1)), 0.24, 5e-3);
}

TEST(Published, KaplanCriticalBatch) {
  const double at[][3] = {{4, 2.85e5, 1e3}, {3, 1.12e6, 1e4}, {2.5, 2.67e6, 1e4}, {2, 7.74e6, 1e4}};
  for (const auto& [loss, batch, last_digit] : at)
    EXPECT_NEAR(kKaplanBatch.at(loss), batch, last_digit / 2) << loss;
}

TEST(Published, KaplanBatchCorrection) {
  Points points;
  points.loss = {3};
  points.batch = {524288};
  points.steps = {1000};
  points.flops = {1e18};
  const Points limit = at_limiting_batch(points, kKaplanBatch);
  EXPECT_NEAR(limit.flops[0] / 1e18, 0.6816, 5e-5);
  // (S/Smin - 1)(C/Cmin - 1) = 1
  EXPECT_NEAR((1000 / limit.steps[0] - 1) * (1e18 / limit.flops[0] - 1), 1, 1e-12);
  EXPECT_EQ(limit.notes.size(), 1u);
}

TEST(Published, KaplanTokensThatAvoidOverfitting) {
  // the tokens at which L(N,D) at N = 1e9 is 2% above that of unlimited data
  const double goal = 1.02 * published("kaplan-nd", {.params = 1e9, .tokens = 1e30});
  double low = 1e9;
  double high = 1e12;
  for (int i = 0; i < 100; ++i) {
    const double middle = std::sqrt(low * high);
    (published("kaplan-nd", {.params = 1e9, .tokens = middle}) > goal ? low : high) = middle;
  }
  EXPECT_NEAR(low / 2.41e10, 1, 2.5e-3);
  EXPECT_NEAR(5e3 * std::pow(1e9, 0.74) / 2.28e10, 1, 2.5e-3);
}

TEST(Published, KaplanExponentOfTheFrontierFromTheOthers) {
  const Vector steps = example_values(find_law("kaplan-ns"));
  EXPECT_NEAR(1 / (1 / steps[3] + 1 / kKaplanBatch.exponent + 1 / steps[2]), 0.0525, 5e-5);
}

TEST(Published, RepeatedDataInHighPrecision) {
  constexpr double kTable[][4] = {
      // N, D, U, L: repetition_reference.py
      {1e9, 1e11, 1e11, 2.411413584523419013},       {1e9, 1e11, 2.5e10, 2.416361014104923730},
      {1e8, 4e10, 1e9, 3.042174188518783340},        {8.7e9, 1.78e11, 2.5e10, 2.224778315996356408},
      {2e10, 5e10, 1e9, 2.760726226291555628},       {5e7, 1e9, 1e10, 3.857859289841910748},
      {4.2e9, 8.4e10, 8.4e10, 2.286020806635918412}, {1e10, 1e12, 4e11, 2.111056477859542911},
  };
  for (const auto& [params, tokens, unique, loss] : kTable)
    EXPECT_NEAR(
        published("repeated-data", {.params = params, .tokens = tokens, .unique_tokens = unique}) /
            loss,
        1, 1e-9);
}

TEST(Published, RepeatedDataIsChinchillaWithinOneEpoch) {
  const Vector v = example_values(find_law("repeated-data"));
  const double chinchilla = v[0] + v[1] / std::pow(1e8, v[3]) + v[2] / std::pow(1e10, v[4]);
  for (const double unique : {1e10, 5e10})
    EXPECT_NEAR(
        published("repeated-data", {.params = 1e8, .tokens = 1e10, .unique_tokens = unique}),
        chinchilla, 1e-12);
}

TEST(Published, TunedSettings) {
  EXPECT_NEAR(published("step-lr", {.params = 7e9, .tokens = 1.4e12}) / 9.17e-4, 1, 1e-3);
  EXPECT_NEAR(published("step-batch", {.tokens = 1.4e12}) / 5.00e6, 1, 1e-3);
  EXPECT_NEAR(published("deepseek-lr", {.flops = 1e20}) / 9.86e-4, 1, 1e-3);
  EXPECT_NEAR(published("deepseek-batch", {.flops = 1e20}) / 1.02e6, 1, 5e-3);
}

TEST(Published, TaskLadderGoesThroughTheTaskLoss) {
  const Vector v = example_values(find_law("task-ladder"));
  const double loss = v[0] + v[1] / std::pow(7e9, v[3]) + v[2] / std::pow(4e12, v[4]);
  const double accuracy = v[5] / (1 + std::exp(-v[6] * (loss - v[7]))) + v[8];
  EXPECT_NEAR(published("task-ladder", {.params = 7e9, .tokens = 4e12}), accuracy, 1e-12);
}

/// Slope of ln N* in ln C on a Chinchilla surface over C from 10^12.95 to 10^20.7, with N and
/// C = 6 N D counted without embeddings: N_total = N + omega N^(1/3) (Pearce & Song 2024).
double frontier_slope(const std::vector<double>& values, double omega) {
  const Law& law = find_law("chinchilla");
  const auto loss = [&](double log_params, double log_flops) {
    const double params = std::exp(log_params);
    const double tokens = std::exp(log_flops) / (6 * params);
    return synthetic::loss(law, values, {params + omega * std::cbrt(params), tokens});
  };
  double sums[4] = {};  // of x, y, xx, xy
  constexpr int kBudgets = 40;
  for (int k = 0; k < kBudgets; ++k) {
    const double log_flops = std::log(10.0) * (12.95 + (20.7 - 12.95) * k / (kBudgets - 1));
    double low = std::log(10.0);
    double high = log_flops - std::log(6e3);
    while (high - low > 1e-7) {
      const double third = (high - low) / 3;
      if (loss(low + third, log_flops) < loss(high - third, log_flops))
        high -= third;
      else
        low += third;
    }
    sums[0] += log_flops / kBudgets;
    sums[1] += low / kBudgets;
    sums[2] += log_flops * log_flops / kBudgets;
    sums[3] += log_flops * low / kBudgets;
  }
  return (sums[3] - sums[0] * sums[1]) / (sums[2] - sums[0] * sums[0]);
}

TEST(Published, MostOfKaplansExponentIsAccounting) {
  constexpr double kOmega = 47491;
  EXPECT_NEAR(frontier_slope(synthetic::kEpoch, kOmega), 0.775, 3e-3);
  EXPECT_NEAR(frontier_slope(synthetic::kHoffmann, kOmega), 0.740, 3e-3);
  EXPECT_NEAR(frontier_slope(synthetic::kEpoch, 0), 0.5126, 1e-4);
  EXPECT_NEAR(frontier_slope(synthetic::kHoffmann, 0), 0.4565, 1e-4);
}

TEST(CriticalBatch, RefusesWhatItCannotUse) {
  EXPECT_EQ(parse_critical_batch("2.1e8,0.21").exponent, 0.21);
  for (const char* bad : {"", "2.1e8", "2.1e8,", "2.1e8,-1", "x,0.21", "2.1e8,0.21,3"})
    EXPECT_THROW(parse_critical_batch(bad), InputError) << bad;
  Points points;
  points.loss = {3};
  EXPECT_THROW(at_limiting_batch(points, kKaplanBatch), InputError);
  points.batch = {5e5};
  EXPECT_NO_THROW(at_limiting_batch(points, kKaplanBatch));
  points.conventions.loss = "bits_per_byte";
  EXPECT_THROW(at_limiting_batch(points, kKaplanBatch), InputError);
  points.conventions.loss = "nats";
  points.conventions.flops = "cmin";
  EXPECT_THROW(at_limiting_batch(points, kKaplanBatch), InputError);
}

TEST(CriticalBatch, ItsComputeIsNotSixND) {
  Points points;
  for (const double flops : {1e18, 1e19, 1e20, 1e21}) {
    points.params.push_back(0.1 * std::sqrt(flops));
    points.tokens.push_back(flops / (6 * points.params.back()));
    points.batch.push_back(5e5);
    points.loss.push_back(std::pow(2.68e28 / flops, 0.05));
  }
  points.conventions.flops = "6nd";
  const Fit result = fit(at_limiting_batch(points, kKaplanBatch), {.law = "kaplan-c"});
  EXPECT_EQ(result.conventions.flops, "cmin");
  EXPECT_THROW(predict(result, 1e9, 2e10), InputError);  // no Cmin follows from N and D
  EXPECT_GT(predict(result, RunSize{.flops = 1e20}).value, 1);
}

}  // namespace
}  // namespace isoflop::laws
