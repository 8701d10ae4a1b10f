// Beyond kManyRows a search sees a selection and draws take other steps: the results are the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/random.hpp"
#include "laws/fit/profile.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/predict/compare.hpp"
#include "laws/search/chord.hpp"
#include "laws/search/search.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

constexpr std::size_t kCount = kManyRows + 600;
constexpr double kDelta = 1e-3;

/// Points of `law` at its example values, log-uniform over its domain, with log-normal noise.
Points scattered(const Law& law, double sigma) {
  const Vector theta = law.coordinates(example_values(law));
  RandomStream stream(11, Purpose::test);
  Points points;
  for (std::size_t i = 0; i < kCount; ++i) {
    std::vector<double> x;
    for (std::size_t k = 0; k < law.variables.size(); ++k) {
      const auto [low, high] = law.domain[k];
      const double value = low * std::pow(high / low, stream.next_uniform());
      quantity(points, law.variables[k]).push_back(value);
      x.push_back(std::log(value));
    }
    x.resize(x.size() + law.extra_columns, 0.0);
    const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
    const double noise = sigma * radius * std::cos(6.283185307179586 * stream.next_uniform());
    const double scaled = law.evaluate(x.data(), theta.data(), nullptr, nullptr) + noise;
    quantity(points, law.response).push_back(law.from_scale(scaled));
  }
  return points;
}

Points shuffled(const Points& points) {
  std::vector<std::size_t> rows(points.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = (i * 1009 + 17) % rows.size();
  return select(points, rows);
}

TEST(ManyRows, NoiseFreePointsGiveTheirLaw) {
  for (const char* name : {"chinchilla", "power-offset", "broken-power-1", "farseer"}) {
    const Law& law = find_law(name);
    const FitOptions options{
        .law = name, .variable = law.any_variable ? "flops" : "", .bootstrap = 0};
    const Fit result = fit(scattered(law, 0), options);
    EXPECT_TRUE(result.search.converged) << name;
    for (const Estimate& parameter : result.parameters) {
      const std::size_t i = static_cast<std::size_t>(&parameter - result.parameters.data());
      EXPECT_NEAR(parameter.value / example_values(law)[i], 1, 1e-7) << name << " " << i;
    }
  }
}

TEST(ManyRows, ALawInTwoStepsHasTwoRowsAPoint) {
  const Law& law = find_law("task-ladder");
  Points points;
  const Vector theta = law.coordinates(example_values(law));
  for (std::size_t i = 0; i < kCount; ++i) {  // along the ladder, between its points
    const double share = static_cast<double>(i) / kCount;
    points.params.push_back(1e8 * std::pow(100, share));
    points.tokens.push_back(1e9 * std::pow(1000, std::fmod(7 * share, 1.0)));
    const double x[] = {std::log(points.params[i]), std::log(points.tokens[i]), 0};
    points.accuracy.push_back(law.evaluate(x, theta.data(), nullptr, nullptr));
    points.task_loss.push_back(0.4 + 500 * std::pow(points.params[i], -0.38) +
                               2000 * std::pow(points.tokens[i], -0.4));
  }
  const Samples rows = law.rows(prepare(points), law.variables);
  ASSERT_EQ(rows.size(), 2 * kCount);
  EXPECT_LE(thin_rows(rows).size(), kSelectedRows);
  EXPECT_NEAR(fit(points, {.law = "task-ladder", .bootstrap = 0}).parameters[3].value, 0.38, 1e-6);
}

TEST(ManyRows, TheirOrderChangesNoBit) {
  const Points points = scattered(find_law("chinchilla"), 0.004);
  const FitOptions options{.law = "chinchilla", .bootstrap = 20, .details = true};
  EXPECT_EQ(to_json(fit(points, options)), to_json(fit(shuffled(points), options)));
  const CompareOptions both{.laws = {"power", "kaplan-nd"}, .bootstrap = 20};
  EXPECT_EQ(to_json(compare(points, both)), to_json(compare(shuffled(points), both)));
}

class ChordSteps : public testing::Test {
 protected:
  const Law& law = find_law("chinchilla");
  Samples samples = law.rows(prepare(scattered(law, 0.004)), law.variables);
  Vector optimum =
      minimise(Objective(law, samples, kDelta), law.coordinates(example_values(law))).theta;
};

TEST_F(ChordSteps, EndWhereNewtonsEnd) {
  const Chord chord(Objective(law, samples, kDelta), optimum);
  for (std::uint64_t draw = 0; draw < 3; ++draw) {
    Samples drawn = samples;
    RandomStream stream(draw, Purpose::test);
    std::ranges::fill(drawn.weight, 0);
    for (std::size_t k = 0; k < drawn.size(); ++k)
      drawn.weight[stream.next_below(drawn.size())] += 1;
    const Objective objective(law, drawn, kDelta);
    const Minimum here = chord.minimise(objective, optimum);
    const Minimum newton = minimise(objective, optimum);
    EXPECT_TRUE(here.converged && newton.converged);
    for (std::size_t i = 0; i < law.size(); ++i)
      EXPECT_NEAR(here.theta[i], newton.theta[i], 1e-7 * (1 + std::fabs(newton.theta[i])));
  }
}

TEST_F(ChordSteps, EndWhereNothingIsLeftToGain) {
  const Objective all(law, samples, kDelta);
  const double enough = 1e-4 * scale_of(all, optimum);
  const Chord exact(all, optimum);
  const Chord quick(all, optimum, enough);
  Samples drawn = samples;
  RandomStream stream(1, Purpose::test);
  for (double& weight : drawn.weight) weight = 2 * stream.next_uniform();
  const Objective objective(law, drawn, kDelta);
  const Minimum end = exact.minimise(objective, optimum);
  const Minimum near = quick.minimise(objective, optimum);
  EXPECT_TRUE(near.converged);
  EXPECT_LT(near.evaluations, end.evaluations);
  EXPECT_LT(near.objective - end.objective, 2 * enough);
  EXPECT_GT(objective.value(optimum) - end.objective, 100 * enough);  // there was much to gain
}

TEST_F(ChordSteps, GoOnAsNewtonsWhereTheyDoNotHelp) {
  const Chord elsewhere(Objective(law, samples, kDelta), {3, 1, 12, 0.9, 0.9});
  const Minimum found = elsewhere.minimise(Objective(law, samples, kDelta), optimum);
  EXPECT_TRUE(found.converged);
  EXPECT_EQ(found.theta, optimum);
  Vector aside = optimum;
  aside[0] += 0.05;
  const Minimum back = elsewhere.minimise(Objective(law, samples, kDelta), aside);
  for (std::size_t i = 0; i < law.size(); ++i) EXPECT_NEAR(back.theta[i], optimum[i], 1e-6);
}

TEST_F(ChordSteps, LeaveABoundWhenTheRowsDo) {
  Vector held = optimum;
  held[3] = law.parameters[3].lower;
  const Objective objective(law, samples, kDelta);
  const Minimum found = Chord(objective, held).minimise(objective, held);
  EXPECT_LT(found.objective, 0.5 * objective.value(held));
  EXPECT_EQ(found.at_bound & 1u << 3, 0u);
}

}  // namespace
}  // namespace isoflop::laws
