// The ensemble: which law leads, what the mixture predicts, what is refused.
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "core/error.hpp"
#include "families.hpp"
#include "laws/fit/calibration.hpp"
#include "laws/fit/robust_fit.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/plan/optimal_report.hpp"
#include "laws/predict/prediction_json.hpp"
#include "laws/predict/report.hpp"

namespace isoflop::laws {
namespace {

Fit ensemble_of(const Points& points) {
  return fit(points, {.law = std::string(kEnsemble), .bootstrap = 5});
}

/// The isoFLOP grid of synthetic.hpp with the losses of another law.
Points grid_of(const char* law, const std::vector<double>& values, double sigma) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, sigma, 3);
  const Points exact = synthetic::isoflop_grid(synthetic::kEpoch);
  for (std::size_t i = 0; i < points.size(); ++i)
    points.loss[i] *= synthetic::loss(find_law(law), values, {points.params[i], points.tokens[i]}) /
                      exact.loss[i];
  return points;
}

const Fit& noisy_fit() {
  static const Fit fit = ensemble_of(grid_of("chinchilla", synthetic::kEpoch, 0.004));
  return fit;
}

TEST(Ensemble, TheLawOfThePointsLeadsAndPredicts) {
  const std::vector<double> kaplan = {6.4e13, 1.8e13, 0.076, 0.103};
  for (const auto& [law, values] :
       {std::pair{"chinchilla", synthetic::kEpoch}, std::pair{"kaplan-nd", kaplan}}) {
    const Fit result = ensemble_of(grid_of(law, values, 0));
    EXPECT_EQ(result.law, law);
    EXPECT_EQ(result.members.front().law, law);
    EXPECT_GT(result.members.front().weight, 0.99);
    const double far = synthetic::loss(find_law(law), values, {7e10, 1.4e12});
    EXPECT_NEAR(predict(result, 7e10, 1.4e12).value / far, 1, 1e-4);
  }
}

TEST(Ensemble, WeightsAreSharesAndDescend) {
  const Fit& result = noisy_fit();
  ASSERT_GE(result.members.size(), 2u);
  double sum = 0;
  for (std::size_t m = 0; m < result.members.size(); ++m) {
    sum += result.members[m].weight;
    EXPECT_LE(result.members[m].weight, result.members[m == 0 ? 0 : m - 1].weight);
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Ensemble, AFitReadAgainPredictsTheSameBits) {
  const Fit& result = noisy_fit();
  const Fit again = fit_from_json(to_json(result), "fit.json");
  EXPECT_EQ(to_json(again), to_json(result));
  EXPECT_EQ(to_json(predict(result, 7e10, 1.4e12)), to_json(predict(again, 7e10, 1.4e12)));
}

TEST(Ensemble, NeitherOrderNorCopiesOfRowsChangeABit) {
  const Points points = grid_of("chinchilla", synthetic::kEpoch, 0.004);
  EXPECT_EQ(to_json(ensemble_of(synthetic::reversed(points))), to_json(noisy_fit()));
  Fit copied = ensemble_of(synthetic::halves(points));
  EXPECT_EQ(copied.left_out.size(), points.size());
  copied.left_out.clear();
  EXPECT_EQ(to_json(copied), to_json(noisy_fit()));
}

TEST(Ensemble, IntervalsSayWhatTheyHeldOnThePoints) {
  const Fit& result = noisy_fit();
  EXPECT_EQ(result.rollout.cuts.size(), 8u);  // nine budgets
  const Interval interval = *predict(result, 1e10, 1e12).interval;
  ASSERT_TRUE(interval.measured_coverage.has_value());
  EXPECT_GT(*interval.measured_coverage, 0.6);
  EXPECT_GT(measured_coverage(result.rollout, 0.99), measured_coverage(result.rollout, 0.5));
}

TEST(Ensemble, WhatTheLawsSayAndWhatTheyMissedAreNotAdded) {
  const Mixture mixture = {.noise = 1e-4, .spread = 4e-4};
  Rollout rollout;
  rollout.cuts.resize(1);
  rollout.scale = 0.5;
  rollout.drift = 1e-4;
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, 0), 2.5e-4);
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, -3), 2.5e-4);
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, 1), 2.5e-4);  // 1e-4 of drift, below 2e-4
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, 2), 0.5e-4 + 8e-4);
}

// What misses add to it is the drift's part.
TEST(Ensemble, WhatTheLawsSayIsNeverWidened) {
  const Mixture mixture = {.noise = 1e-4, .spread = 4e-4};
  Rollout rollout;
  rollout.cuts.resize(1);
  rollout.scale = 2;
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, 0), 2e-4 + 0.7 * 4e-4);
}

TEST(Ensemble, ADriftThatTheNoiseHidesWidensIntervalsFarOut) {
  const Mixture mixture = {.noise = 1e-4, .spread = 1e-5};
  Rollout rollout;
  rollout.cuts.resize(1);
  EXPECT_DOUBLE_EQ(interval_variance(rollout, mixture, 3), 1e-4 + 0.08e-4 * 27);
}

TEST(Ensemble, WithoutRolloutsAnIntervalIsWhatTheLawsSay) {
  const Mixture mixture = {.noise = 1e-4, .spread = 4e-4};
  Rollout none;
  none.scale = 2;
  EXPECT_DOUBLE_EQ(interval_variance(none, mixture, 3), 5e-4);
  EXPECT_DOUBLE_EQ(noise_variance(none, mixture), 1e-4);
}

TEST(Mixture, OneLawIsItsForecast) {
  const Mixture mixture = mix(std::vector<MixtureTerm>{{0.7, 0.01, {0.8, 4e-4}}});
  EXPECT_DOUBLE_EQ(mixture.value, 0.8);
  EXPECT_DOUBLE_EQ(mixture.noise, 1e-4);
  EXPECT_DOUBLE_EQ(mixture.spread, 4e-4);
}

TEST(Mixture, LawsThatAgreeAreOneNormal) {
  const std::vector<MixtureTerm> terms = {{0.6, 0.01, {0.8, 4e-4}}, {0.4, 0.02, {0.8, 4e-4}}};
  EXPECT_NEAR(mix(terms).spread, 4e-4, 1e-12);
  EXPECT_DOUBLE_EQ(mix(terms).noise, 1 / (0.6 / 1e-4 + 0.4 / 4e-4));
}

// Of few points a law of many parameters may leave nothing.
TEST(Mixture, NoLawKnowsTheNoiseMuchBetterThanTheOthers) {
  const std::vector<MixtureTerm> terms = {{0.6, 0.01, {0.8, 4e-4}}, {0.4, 0, {0.8, 4e-4}}};
  EXPECT_DOUBLE_EQ(mix(terms).noise, 1 / (0.6 / 1e-4 + 0.4 / (1e-4 / 16)));
  EXPECT_EQ(mix(std::vector<MixtureTerm>{{1, 0, {0.8, 4e-4}}}).noise, 0);
}

TEST(Mixture, LawsThatDisagreeReachFromOneToTheOther) {
  const std::vector<MixtureTerm> terms = {{0.5, 0.01, {0.78, 0}}, {0.5, 0.01, {0.82, 0}}};
  EXPECT_NEAR(mix(terms).value, 0.8, 1e-12);
  EXPECT_NEAR(std::sqrt(mix(terms).spread), 0.02, 1e-9);
}

// 2.2 nats say the others, 12 this one; with a law left out the rest must not notice.
TEST(Mixture, AWildLawOfLittleWeightMovesLittle) {
  std::vector<MixtureTerm> terms = {
      {0.6, 0.003, {0.788, 2.5e-5}}, {0.384, 0.003, {0.79, 2.5e-5}}, {0.016, 0.003, {2.485, 0.5}}};
  const Mixture with = mix(terms);
  terms.pop_back();
  const Mixture without = mix(terms);
  EXPECT_NEAR(with.value, without.value, 0.005);
  EXPECT_NEAR(std::sqrt(with.spread / without.spread), 1, 0.05);
  EXPECT_EQ(with.dropped, 0u);
}

// Its reach sets where the search for the range begins, not where it ends.
TEST(Mixture, ALawOfNoWeightAndNoBoundMovesNothing) {
  const std::vector<MixtureTerm> terms = {{1, 0.01, {0.8, 4e-4}}, {1e-30, 0.01, {0.8, 1e40}}};
  EXPECT_NEAR(mix(terms).spread, 4e-4, 1e-12);
}

TEST(Mixture, DropsWhatIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Mixture one =
      mix(std::vector<MixtureTerm>{{0.6, 0.01, {nan, 1}}, {0.4, 0.02, {0.8, 1e-4}}});
  EXPECT_EQ(one.dropped, 1u);
  EXPECT_DOUBLE_EQ(one.value, 0.8);
  EXPECT_DOUBLE_EQ(one.variance(), 5e-4);
  const Mixture unsure = mix(std::vector<MixtureTerm>{{1, 0.01, {0.8, nan}}});
  EXPECT_DOUBLE_EQ(unsure.value, 0.8);
  EXPECT_TRUE(std::isnan(unsure.variance()));
  const Mixture none = mix(std::vector<MixtureTerm>{{1, 0.01, {nan, 1}}});
  EXPECT_TRUE(std::isnan(none.value));
}

// The seed at which Farseer's law, with a few percent of the weight, leaves by 1e10 and more.
TEST(Ensemble, AWildLawDoesNotWidenIntervalsWithoutLimit) {
  for (const synthetic::Family& family : synthetic::families()) {
    if (family.name != "twenty points of a grid, Hoffmann") continue;
    const synthetic::Trial trial = make_trial(family, 7);
    const Fit result = fit(trial.fitted, {.law = std::string(kEnsemble), .bootstrap = 0});
    for (std::size_t i = 0; i < trial.held_out.size(); ++i) {
      const Prediction far = predict(result, trial.held_out.params[i], trial.held_out.tokens[i]);
      EXPECT_NEAR(far.value / trial.held_out.loss[i], 1, 0.03);
      EXPECT_LT(far.interval->high / far.interval->low, 1.2);
    }
    return;
  }
  FAIL() << "no such family";
}

// A surface that bends in ln C, as none of the laws does.
Points bent_grid(double bend) {
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.004, 3);
  for (std::size_t i = 0; i < points.size(); ++i)
    points.loss[i] *= std::exp(bend * std::pow(std::log(points.flops[i] / 6e18), 2));
  return points;
}

TEST(Ensemble, MissesOfOneSignAreADrift) {
  const double plain = noisy_fit().rollout.drift;
  const double bent = ensemble_of(bent_grid(0.004)).rollout.drift;
  EXPECT_GT(bent, 1e-3);
  EXPECT_GT(bent, 4 * plain);
}

/// Twenty tokens a parameter, without noise.
Points exact_ladder() {
  Points points;
  for (int i = 0; i < 24; ++i) {
    points.params.push_back(1e7 * std::pow(1.2, i));
    points.tokens.push_back(20 * points.params.back());
    points.loss.push_back(synthetic::loss(find_law("chinchilla"), synthetic::kEpoch,
                                          {points.params.back(), points.tokens.back()}));
  }
  return prepare(points);
}

/// Of fits to a ladder that claim nothing; up to cut k the floor is `off(k)` times the true one.
template <class F>
double drift_of_misses(const Points& ladder, F&& off) {
  const Contender contender = choose_contenders(ladder, {.law = "chinchilla"}).front();
  const Law& law = *contender.law;
  const Cuts cuts = cut_points(ladder, growth_in_compute(ladder));
  LawRollout rollout{contender, make_samples(law, ladder, contender.variables), {}};
  for (std::size_t k = 0; k <= cuts.sizes.size(); ++k) {
    Vector values{};
    std::ranges::copy(synthetic::kEpoch, values.begin());
    values[0] *= off(k);
    Matrix open{};
    open.fill(std::numeric_limits<double>::quiet_NaN());
    rollout.stages.push_back(Stage{law.coordinates(values), 1e-3, 1e-3, open});
  }
  return calibrate(ladder, cuts, {&rollout, 1}).rollout.drift;
}

// Fits that are too low at one cut and too high at the next tell of no bend.
TEST(Ensemble, MissesThatTurnFromCutToCutAreLessOfADrift) {
  const Points ladder = exact_ladder();
  const double one_side = drift_of_misses(ladder, [](std::size_t) { return 1.01; });
  const double turning =
      drift_of_misses(ladder, [](std::size_t k) { return k % 2 == 0 ? 0.99 : 1.01; });
  EXPECT_GT(one_side, 0);
  EXPECT_LT(turning, 0.5 * one_side);
}

// Points that are off by chance draw the fits that see them to their side. Those fits' misses must
// not be multiplied with the points' own: then it is the same to which side the fits are off.
TEST(Ensemble, WhatAFitHasSeenIsInNoProductWithItsMisses) {
  Points ladder = exact_ladder();
  const Cuts cuts = cut_points(ladder, growth_in_compute(ladder));
  const std::size_t middle = cuts.sizes.size() - 3;
  for (std::size_t i = 0; i < ladder.size(); ++i)
    if (cuts.size(i) > cuts.sizes[middle - 1] && cuts.size(i) <= cuts.sizes[middle])
      ladder.loss[i] *= 1.01;
  const auto drift_with = [&](double off) {
    return drift_of_misses(ladder, [&](std::size_t k) { return k < middle ? 1 : off; });
  };
  EXPECT_NEAR(drift_with(1.001) / drift_with(0.999), 1, 0.02);
}

// A law that leaves its parameters open claims nothing, one that allows any loss no more than a
// miss can be: neither hides a drift.
TEST(Ensemble, MissesAreADriftWhateverTheLawClaims) {
  const Points prepared = prepare(bent_grid(0.1));
  const Contender contender = choose_contenders(prepared, {.law = "chinchilla"}).front();
  const Cuts cuts = cut_points(prepared, growth_in_compute(prepared));
  for (const double factor : {std::numeric_limits<double>::quiet_NaN(), 1e-9}) {
    LawRollout rollout = search_and_roll(contender, prepared, cuts, 1e-3, Starts::few).rollout;
    for (std::optional<Stage>& stage : rollout.stages)
      for (auto& entry : stage->information) entry *= factor;
    EXPECT_GT(calibrate(prepared, cuts, {&rollout, 1}).rollout.drift, 0) << factor;
  }
}

// A shared miss of 1% close above a cut tells little of 10 times the compute: without a floor of
// the distance it becomes a standard deviation of 3.9.
TEST(Ensemble, ABudgetCloseAboveTheLastCutIsNoLongWay) {
  for (const synthetic::Family& family : synthetic::families()) {
    if (family.extra_budget == 0) continue;
    Points points = make_trial(family, 1).fitted;
    for (std::size_t i = 0; i < points.size(); ++i)
      if (6 * points.params[i] * points.tokens[i] > 9.9e18) points.loss[i] *= 1.01;
    const Fit result = fit(points, {.law = std::string(kEnsemble), .bootstrap = 0});
    EXPECT_GT(result.rollout.drift, 0);
    EXPECT_LT(std::sqrt(result.rollout.drift * std::pow(std::log(10.0), 3)), 0.5);
    return;
  }
  FAIL() << "no such family";
}

TEST(Ensemble, ReadsOneVariableWhenOnlyOneVaries) {
  Points points;
  for (double params = 1e6; params < 1e10; params *= 3) {
    points.params.push_back(params);
    points.tokens.push_back(1e12);
    points.loss.push_back(1.7 + 400 / std::pow(params, 0.34));
  }
  const Fit result = ensemble_of(points);
  EXPECT_EQ(result.variable, "params");
  EXPECT_NEAR(predict(result, 1e11, 1e12).value, 1.7 + 400 / std::pow(1e11, 0.34), 1e-3);
}

TEST(Ensemble, RefusesAMethodAndTooFewPoints) {
  const Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  EXPECT_THROW(fit(points, {.law = "ensemble", .method = "approach2"}), InputError);
  EXPECT_THROW(ensemble_of(select(points, std::vector<std::size_t>{0, 1})), InputError);
}

// A law of too many parameters for the points below any cut.
TEST(Ensemble, SaysNothingOfWhatNoRolloutMeasured) {
  Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  fit.is_ensemble = true;
  fit.members.front().rollout_error = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(describe(fit).find("nan%"), std::string::npos) << describe(fit);
}

TEST(Ensemble, PlansByItsName) {
  Fit fit = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  EXPECT_TRUE(describe(fit, optimal(fit, 1e20)).starts_with("chinchilla [approach3], "));
  fit.is_ensemble = true;
  fit.members.push_back(synthetic::fit_of("chinchilla", synthetic::kHoffmann).members.front());
  EXPECT_TRUE(describe(fit, optimal(fit, 1e20)).starts_with("ensemble of 2 laws, "));
}

}  // namespace
}  // namespace isoflop::laws
