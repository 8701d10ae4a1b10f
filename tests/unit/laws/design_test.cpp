#include "laws/plan/design.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "laws/fit/robust_fit.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

/// Sixteen small runs, 1e17 to 1e19 FLOP, with 0.5% noise.
Points small_runs(std::uint64_t seed) {
  const Law& law = find_law("chinchilla");
  RandomStream stream(seed, Purpose::test);
  Points points;
  for (int i = 0; i < 16; ++i) {
    const double params = 2e7 * std::pow(2.0, i % 4);
    const double tokens = 5e8 * std::pow(3.0, i / 4);
    const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
    const double noise = 0.005 * radius * std::cos(6.283185307179586 * stream.next_uniform());
    points.params.push_back(params);
    points.tokens.push_back(tokens);
    points.loss.push_back(synthetic::loss(law, synthetic::kEpoch, {params, tokens}) *
                          std::exp(noise));
  }
  return points;
}

DesignOptions options() {
  DesignOptions options;
  options.fit = {.law = "chinchilla", .huber_delta = 1.0, .bootstrap = 60};
  options.target = {1e9, 2e10};
  options.budget = 2e19;
  return options;
}

class Variance : public ::testing::Test {
 protected:
  Variance() : prepared_(prepare(small_runs(1))) {
    theta_ = law_.coordinates(synthetic::to_vector(synthetic::kEpoch));
  }
  TargetVariance make(const Points& points, double bend) const {
    return {law_, law_.variables, theta_, points, Candidate{1e9, 2e10}, 2.5e-5, bend};
  }

  const Law& law_ = find_law("chinchilla");
  Points prepared_;
  Vector theta_{};
};

// A run lowers the variance by its gain, and by what the matrix of all points says when it is
// among them.
TEST_F(Variance, ARunLowersItByItsGain) {
  for (const double bend : {0.0, 1e-4}) {
    TargetVariance state = make(prepared_, bend);
    Points more = prepared_;
    for (const Candidate& run : {Candidate{3e8, 6e9}, Candidate{1.6e8, 4e10}}) {
      const double before = state.variance();
      const double gain = state.gain(run);
      EXPECT_GT(gain, 0);
      state.add(run);
      EXPECT_NEAR(state.variance(), before - gain, 1e-9 * before);
      more.params.push_back(run.params);
      more.tokens.push_back(run.tokens);
      more.flops.push_back(run.flops());
      more.loss.push_back(3);
      more.weight.push_back(1);
      more.name.push_back("new");
      EXPECT_NEAR(state.variance() / make(more, bend).variance(), 1, 1e-5);
    }
  }
}

// Against the textbook case: a power law, whose ln L is a straight line in ln N.
TEST_F(Variance, IsThatOfAStraightLine) {
  const Law& power = find_law("kaplan-n");
  Points points;
  double mean = 0;
  for (int i = 0; i < 8; ++i) {
    points.params.push_back(1e6 * std::pow(2.0, i));
    points.tokens.push_back(1e9);
    points.loss.push_back(3);
    mean += std::log(points.params.back()) / 8;
  }
  points = prepare(points);
  double squares = 0;
  for (const double params : points.params) squares += std::pow(std::log(params) - mean, 2);
  const double noise = 1e-4;
  const Vector theta = power.coordinates(synthetic::to_vector({8.8e13, 0.076}));
  const TargetVariance state(power, power.variables, theta, points, {1e10, 1e9}, noise, 0);
  const double expected = noise * (1.0 / 8 + std::pow(std::log(1e10) - mean, 2) / squares);
  EXPECT_NEAR(state.variance() / expected, 1, 1e-4);  // the wide prior counts for 1e-5
}

TEST(Suggest, StartsFromTheIntervalOfThePrediction) {
  const Design design = suggest(small_runs(1), options());
  const Interval now = *design.now.interval;
  const double half = 0.5 * std::log(now.high / now.low) / 1.2815515655446004;
  EXPECT_GE(std::hypot(design.deviation, design.noise), half * 0.999);
  ASSERT_FALSE(design.runs.empty());
  double before = design.deviation;
  for (const SuggestedRun& run : design.runs) {
    EXPECT_LT(run.deviation, before);
    EXPECT_LE(run.spent, options().budget * (1 + 1e-9));
    before = run.deviation;
  }
  EXPECT_LE(design.runs.size(), options().most_runs);
}

TEST(Suggest, IsTheSameForAnyOrderOfThePoints) {
  const Points points = small_runs(2);
  std::vector<std::size_t> rows;
  for (std::size_t i = points.size(); i-- > 0;) rows.push_back(i);
  const Design one = suggest(points, options());
  const Design other = suggest(select(points, rows), options());
  ASSERT_EQ(one.runs.size(), other.runs.size());
  for (std::size_t i = 0; i < one.runs.size(); ++i) {
    EXPECT_EQ(one.runs[i].run.params, other.runs[i].run.params);
    EXPECT_EQ(one.runs[i].run.tokens, other.runs[i].run.tokens);
    EXPECT_EQ(one.runs[i].deviation, other.runs[i].deviation);
  }
}

// With the law that made the points, the predicted loss of the target scatters over seeds as the
// design says: with the small runs alone, and with the suggested ones too.
TEST(Suggest, LowersTheScatterOfThePredictionAsPredicted) {
  const Law& law = find_law("chinchilla");
  Points noise_free = small_runs(1);
  for (std::size_t i = 0; i < noise_free.size(); ++i)
    noise_free.loss[i] =
        synthetic::loss(law, synthetic::kEpoch, {noise_free.params[i], noise_free.tokens[i]});
  const Vector theta = law.coordinates(synthetic::to_vector(synthetic::kEpoch));
  const Candidate target{1e9, 2e10};
  TargetVariance state(law, law.variables, theta, prepare(noise_free), target, 2.5e-5, 0);
  std::vector<double> predicted{std::sqrt(state.variance())};
  const Candidate added[] = {{3e8, 6e9}, {2e7, 5e10}, {3e8, 1e9}};
  for (const Candidate& run : added) state.add(run);
  predicted.push_back(std::sqrt(state.variance()));

  constexpr int kSeeds = 80;
  const double x[] = {std::log(1e9), std::log(2e10)};
  const double truth = law.evaluate(x, theta.data(), nullptr, nullptr);
  for (const bool with_added : {false, true}) {
    double squares = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      Points points = small_runs(seed);
      RandomStream stream(seed, Purpose::test, 1);
      for (const Candidate& run : added) {
        if (!with_added) break;
        const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
        const double noise = 0.005 * radius * std::cos(6.283185307179586 * stream.next_uniform());
        points.params.push_back(run.params);
        points.tokens.push_back(run.tokens);
        points.loss.push_back(synthetic::loss(law, synthetic::kEpoch, {run.params, run.tokens}) *
                              std::exp(noise));
      }
      const Vector fitted = refit(law, law.rows(prepare(points), law.variables), 1.0, theta);
      squares += std::pow(law.evaluate(x, fitted.data(), nullptr, nullptr) - truth, 2) / kSeeds;
    }
    EXPECT_NEAR(std::sqrt(squares) / predicted[with_added], 1, 0.3) << with_added;
  }
  EXPECT_LT(predicted[1], 0.7 * predicted[0]);
}

/// As many runs as there is money for, up to eight.
std::vector<Candidate> random_choice(const std::vector<Candidate>& candidates, double budget,
                                     RandomStream& stream) {
  std::vector<Candidate> chosen;
  while (chosen.size() < 8) {
    std::vector<Candidate> affordable;
    for (const Candidate& run : candidates)
      if (run.flops() <= budget) affordable.push_back(run);
    if (affordable.empty()) break;
    chosen.push_back(affordable[stream.next_below(affordable.size())]);
    budget -= chosen.back().flops();
  }
  return chosen;
}

/// Mean squares of ln loss at the target by the runs that are suggested and by as much compute in
/// runs chosen by chance, each measured with fresh noise and fitted again. `bend` of ln loss above
/// 1e18 FLOP, of which the law knows nothing.
struct Errors {
  double by_plan = 0;
  double by_chance = 0;
};

Errors errors_on(double bend) {
  const Law& law = find_law("chinchilla");
  const Vector truth = law.coordinates(synthetic::to_vector(synthetic::kEpoch));
  const auto log_loss = [&](const Candidate& run) {
    const double x[] = {std::log(run.params), std::log(run.tokens)};
    return law.evaluate(x, truth.data(), nullptr, nullptr) + bend * std::log1p(run.flops() / 1e18);
  };
  const auto bent_runs = [&](std::uint64_t seed) {
    Points points = small_runs(seed);
    for (std::size_t i = 0; i < points.size(); ++i)
      points.loss[i] *= std::exp(bend * std::log1p(6 * points.params[i] * points.tokens[i] / 1e18));
    return points;
  };
  const Points first = bent_runs(1);
  std::vector<Candidate> suggested;
  for (const SuggestedRun& run : suggest(first, options()).runs) suggested.push_back(run.run);
  const auto candidates =
      candidate_runs(prepare(first), options().target, options().budget, options().sizes);
  const auto square = [&](const std::vector<Candidate>& runs, std::uint64_t seed) {
    Points points = bent_runs(seed);
    RandomStream stream(seed, Purpose::test, 2);
    for (const Candidate& run : runs) {
      const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
      const double noise = 0.005 * radius * std::cos(6.283185307179586 * stream.next_uniform());
      points.params.push_back(run.params);
      points.tokens.push_back(run.tokens);
      points.loss.push_back(std::exp(log_loss(run) + noise));
    }
    const Vector fitted = refit(law, law.rows(prepare(points), law.variables), 1.0, truth);
    const double x[] = {std::log(1e9), std::log(2e10)};
    const double at = law.evaluate(x, fitted.data(), nullptr, nullptr);
    return std::pow(at - log_loss({1e9, 2e10}), 2);
  };
  Errors errors;
  RandomStream stream(3, Purpose::test, 3);
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    errors.by_plan += square(suggested, seed) / 60;
    errors.by_chance += square(random_choice(candidates, options().budget, stream), seed) / 60;
  }
  return errors;
}

TEST(Suggest, BeatsRandomChoice) {
  const Errors straight = errors_on(0);
  EXPECT_LT(straight.by_plan, straight.by_chance);
  const Errors bent = errors_on(0.01);
  EXPECT_LT(bent.by_plan, 0.8 * bent.by_chance);
}

TEST(Suggest, AnEnsembleIsPlannedAroundItsHeaviestLaw) {
  DesignOptions ensemble = options();
  ensemble.fit.law = std::string(kEnsemble);
  ensemble.fit.huber_delta = 1e-3;
  const Design design = suggest(small_runs(1), ensemble);
  EXPECT_TRUE(design.fit.is_ensemble);
  EXPECT_FALSE(design.runs.empty());
  EXPECT_EQ(design.now.value, predict(design.fit, 1e9, 2e10).value);
}

// A run that diverged is ignored by a narrow Huber loss: it must not make new runs look useless.
TEST(Suggest, OutliersDoNotCountAsNoise) {
  DesignOptions robust = options();
  robust.fit.huber_delta = 1e-3;
  const double clean = suggest(small_runs(1), robust).noise;
  EXPECT_GT(clean, 0.002);
  EXPECT_LT(clean, 0.01);
  Points points = small_runs(1);
  points.loss[5] *= 1.3;
  points.loss[10] *= 1.2;
  const Design design = suggest(points, robust);
  EXPECT_GT(design.fit.residual_rms, 0.05);
  EXPECT_LT(design.noise, 2 * clean);
}

TEST(Suggest, NamesWhatItNeeds) {
  DesignOptions poor = options();
  poor.budget = 1e10;
  EXPECT_THROW(suggest(small_runs(1), poor), InputError);
  DesignOptions no_target = options();
  no_target.target.params = 0;
  EXPECT_THROW(suggest(small_runs(1), no_target), InputError);
  DesignOptions frontier = options();
  frontier.fit.method = "approach2";
  EXPECT_THROW(suggest(small_runs(1), frontier), InputError);
}

TEST(Suggest, NeedsTheSizesOfRunsWhateverTheLawReads) {
  DesignOptions by_flops = options();
  by_flops.fit.law = "power";
  by_flops.fit.variable = "flops";
  Points points = small_runs(1);
  fill_flops(points);
  EXPECT_NO_THROW(suggest(points, by_flops));
  points.tokens.clear();
  EXPECT_THROW(suggest(points, by_flops), InputError);
}

TEST(Suggest, CopiesThatShareTheWeightAreOnePoint) {
  const Points points = small_runs(2);
  const Design one = suggest(points, options());
  const Design two = suggest(synthetic::halves(points), options());
  EXPECT_EQ(one.noise, two.noise);
  EXPECT_EQ(one.deviation, two.deviation);
}

TEST(Suggest, PlansForALossOnly) {
  const Fit rate = synthetic::fit_of("step-lr", {1.79, 0.713, 0.307});
  EXPECT_THROW(plan_runs(rate, prepare(small_runs(1)), options()), InputError);
}

}  // namespace
}  // namespace isoflop::laws
