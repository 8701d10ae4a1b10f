// What a fit says of its search: where the starts ended, and when few of them agree.
#include "laws/search/search.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "laws/predict/report.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

Fit fit_of(const char* law, const Points& points) {
  return fit(points, {.law = law, .variable = "flops", .bootstrap = 0});
}

std::size_t count_warnings(const Fit& fit, std::string_view part) {
  return static_cast<std::size_t>(std::ranges::count_if(
      fit.warnings, [&](const auto& warning) { return warning.find(part) != std::string::npos; }));
}

/// Losses at forty sizes, evenly in the logarithm.
template <class Loss>
Points along(Loss&& loss) {
  Points points;
  for (int i = 0; i < 40; ++i) {
    const double flops = 1e14 * std::pow(10, 14 * i / 39.0);
    points.flops.push_back(flops);
    points.loss.push_back(loss(flops) + 0.01 * std::sin(i * i));
  }
  return points;
}

/// A law with a floor falls over the first two steps, or nearly straight over all three.
Points stairs() {
  return along([](double flops) { return 2 + (flops < 1e19 ? 1.0 : flops < 1e24 ? 0.6 : 0.2); });
}

TEST(Search, ListsTheOptimaThatItSaw) {
  const Points points = stairs();
  const Fit result = fit_of("power-offset", points);
  ASSERT_EQ(result.search.basins, 2);
  ASSERT_EQ(result.search.best.size(), 2u);
  const Basin& best = result.search.best[0];
  const Basin& other = result.search.best[1];
  EXPECT_EQ(best.objective, result.objective);
  EXPECT_EQ(best.values, result.values());
  EXPECT_EQ(best.starts, result.search.reached_best);
  EXPECT_EQ(best.starts + other.starts, result.search.starts);
  EXPECT_GT(other.objective, 1.5 * best.objective);
  const Law& law = find_law("power-offset");
  const Samples samples = make_samples(law, prepare(points), law.variables);
  const Vector there = law.coordinates(synthetic::to_vector(other.values));
  const Minimum again = minimise(Objective(law, samples, 1e-3), there);
  EXPECT_TRUE(again.converged);
  EXPECT_NEAR(again.objective / other.objective, 1, 1e-6);
  EXPECT_NE(describe(result).find(
                fmt::format("elsewhere  {:.4g} from {} starts", other.objective, other.starts)),
            std::string::npos)
      << describe(result);
  EXPECT_EQ(count_warnings(result, "reached the best optimum"), 0u);
  EXPECT_EQ(count_warnings(result, "within"), 0u);
}

TEST(Search, WarnsWhenFewStartsReachedTheBestAndOthersAreAsGood) {
  const Fit waves =
      fit_of("broken-power-1",
             along([](double flops) { return 3 + 0.3 * std::sin(0.8 * std::log(flops)); }));
  ASSERT_LT(waves.search.reached_best * 20, waves.search.starts);
  EXPECT_EQ(count_warnings(waves, fmt::format("only {} of {} starts reached the best optimum",
                                              waves.search.reached_best, waves.search.starts)),
            1u);
  ASSERT_LT(waves.search.best[1].objective, 1.05 * waves.objective);
  EXPECT_EQ(count_warnings(waves, "within 5% of the best objective"), 1u);

  const Fit grid = fit(synthetic::noisy_grid(synthetic::kEpoch, 0.005, 1),
                       {.law = "chinchilla", .bootstrap = 0});
  EXPECT_EQ(count_warnings(grid, "reached the best optimum"), 0u);
}

TEST(Search, AStartWithoutAValueReachesNoOptimum) {
  const synthetic::Cliff law;
  const Samples samples = make_samples(law, prepare(synthetic::level_points()), law.variables);
  const Objective objective(law, samples, 1e-3);
  const std::vector<Vector> starts = {Vector{1}, Vector{20}, Vector{30}, Vector{2}};
  const Search found = search(objective, starts);
  EXPECT_EQ(found.lost, 2);
  ASSERT_EQ(found.basins.size(), 1u);
  EXPECT_EQ(found.reached[0], 2);
  EXPECT_NEAR(found.best.theta[0], std::log(3.0), 1e-3);
  const Search nothing = search(objective, std::span(starts).subspan(1, 2));
  EXPECT_EQ(nothing.lost, 2);
  EXPECT_FALSE(std::isfinite(nothing.best.objective));
}

TEST(Search, SaysHowManyStartsFoundNoValue) {
  Fit result = synthetic::fit_of("chinchilla", synthetic::kEpoch);
  result.search = {.starts = 9, .reached_best = 6, .basins = 1, .lost = 3};
  EXPECT_NE(describe(result).find("elsewhere  no finite value from 3 starts"), std::string::npos)
      << describe(result);
}

}  // namespace
}  // namespace isoflop::laws
