// Variable projection finds the optimum that thousands of starts find.
#include <gtest/gtest.h>

#include <cmath>

#include "laws/search/search.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

TEST(Projection, IsExactWithoutNoise) {
  for (const char* name : {"chinchilla", "power-offset", "over-training", "kaplan-ns"}) {
    const Law& law = find_law(name);
    const Points points = prepare(law.example());
    const Samples samples = law.rows(points, law.variables);
    const Vector truth = law.coordinates(example_values(law));
    const std::vector<Vector> starts = law.projected_starts(samples);
    ASSERT_FALSE(starts.empty()) << name;
    for (std::size_t i = 0; i < law.size(); ++i)
      EXPECT_NEAR(starts.front()[i], truth[i], 1e-5 * (1 + std::fabs(truth[i]))) << name << i;
  }
}

TEST(Projection, LeadsToTheOptimumOfTheWholeGrid) {
  const Law& law = find_law("chinchilla");
  const Points points = prepare(synthetic::noisy_grid(synthetic::kHoffmann, 0.01, 1));
  const Samples samples = law.rows(points, law.variables);
  for (const double delta : {1e-3, 1.0}) {
    const Objective objective(law, samples, delta);
    const Search grid = search(objective, law.starts(samples));
    const Search projected = search(objective, law.projected_starts(samples));
    EXPECT_LE(projected.starts, 4);
    EXPECT_NEAR(projected.best.objective / grid.best.objective, 1, 1e-9);
    for (std::size_t i = 0; i < law.size(); ++i)
      EXPECT_NEAR(projected.best.theta[i], grid.best.theta[i],
                  1e-6 * (1 + std::fabs(grid.best.theta[i])));
  }
}

TEST(Projection, LeavesOutATermThatTheDataDoNotHave) {
  const Law& law = find_law("power-offset");
  Points points;
  for (int i = 0; i < 16; ++i) {  // a convex floor below zero would fit better
    points.params.push_back(1e6 * std::pow(1.6, i));
    points.loss.push_back(40 * std::pow(points.params.back(), -0.2) - 0.3);
  }
  const Variable read[] = {Variable::params};
  const Samples samples = law.rows(prepare(points), read);
  const Vector start = law.projected_starts(samples).front();
  EXPECT_LT(law.values(start)[0], 1e-6);
  EXPECT_GT(law.values(start)[2], 0.2);
}

TEST(Projection, IsOnlyForLinearForms) {
  for (const char* name : {"kaplan-nd", "farseer", "power"}) {
    const Law& law = find_law(name);
    const Samples samples = law.rows(prepare(law.example()), law.variables);
    EXPECT_EQ(law.projected_starts(samples).empty(), std::string_view(name) != "power") << name;
  }
}

}  // namespace
}  // namespace isoflop::laws
