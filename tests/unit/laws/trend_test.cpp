#include "laws/numerics/trend.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/error.hpp"
#include "core/random.hpp"

namespace isoflop::laws {
namespace {

/// `count` sizes a factor of three apart, f of 0..1 along them, normal noise.
Series series_of(int count, const std::function<double(double)>& f, double noise,
                 std::uint64_t seed = 1) {
  RandomStream stream(seed, Purpose::test);
  Series series;
  for (int i = 0; i < count; ++i) {
    const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
    series.size.push_back(1e18 * std::pow(3.0, i));
    series.value.push_back(f(i / (count - 1.0)) +
                           noise * radius * std::cos(6.283185307179586 * stream.next_uniform()));
  }
  return series;
}

double flat(double) { return 0.5; }
double rising(double x) { return 0.3 + 0.5 * x; }
double levelling_off(double x) { return 0.8 - 0.6 * std::exp(-5 * x); }
double jumping(double x) { return x < 0.7 ? 0.25 : 0.25 + 2 * (x - 0.7); }
double turning(double x) { return 0.4 + 1.6 * (x - 0.55) * (x - 0.55); }

double share_of(Trend wanted, int count, const std::function<double(double)>& f, double noise) {
  constexpr int kSeeds = 40;
  int hits = 0;
  for (int seed = 1; seed <= kSeeds; ++seed)
    hits += test_trend(series_of(count, f, noise, static_cast<std::uint64_t>(seed)), true).trend ==
            wanted;
  return static_cast<double>(hits) / kSeeds;
}

TEST(Trend, NamesTheShapeOfCleanSeries) {
  EXPECT_EQ(test_trend(series_of(6, rising, 0), true).trend, Trend::improves);
  EXPECT_EQ(test_trend(series_of(6, rising, 0), false).trend, Trend::inverse);
  EXPECT_EQ(test_trend(series_of(8, levelling_off, 0), true).trend, Trend::improves);
  EXPECT_EQ(test_trend(series_of(6, flat, 0), true).trend, Trend::none);
  EXPECT_EQ(test_trend(series_of(4, rising, 0), true).trend, Trend::too_few);
  const TrendTest turned = test_trend(series_of(10, turning, 0.01), true);
  EXPECT_EQ(turned.trend, Trend::u_shaped);
  EXPECT_NEAR(std::log(turned.turn / 1e18) / std::log(3.0), 5, 1.01);
  EXPECT_EQ(test_trend(series_of(10, turning, 0.01), false).trend, Trend::inverted_u);
}

TEST(Trend, NoiseIsNoTrendAndACurveThatBendsIsNoTurn) {
  EXPECT_GE(share_of(Trend::none, 8, flat, 0.05), 0.85);
  EXPECT_GE(share_of(Trend::improves, 8, rising, 0.05), 0.85);
  EXPECT_GE(share_of(Trend::improves, 12, levelling_off, 0.05), 0.8);
  EXPECT_GE(share_of(Trend::improves, 10, jumping, 0.02), 0.8);
}

TEST(Trend, FindsTurnsAboveTheNoise) {
  EXPECT_GE(share_of(Trend::u_shaped, 10, turning, 0.03), 0.8);
}

TEST(Trend, SaysWhereMostOfTheChangeHappens) {
  const Series series{{1, 10, 100, 1000, 1e4}, {0.25, 0.26, 0.27, 0.75, 0.8}, {}};
  const TrendTest test = test_trend(series, true);
  EXPECT_NEAR(test.rise_share, 0.48 / 0.55, 1e-12);
  EXPECT_EQ(test.rise_from, 100);
  EXPECT_EQ(test.rise_to, 1000);
}

TEST(Trend, DoesNotDependOnTheOrderOfRowsAndPoolsEqualSizes) {
  const Series series = series_of(9, turning, 0.05);
  Series other = series;
  std::reverse(other.size.begin(), other.size.end());
  std::reverse(other.value.begin(), other.value.end());
  EXPECT_EQ(test_trend(series, true).p_turn, test_trend(other, true).p_turn);
  EXPECT_EQ(test_trend({{1, 2, 2, 3, 4, 5}, {1, 2, 2.2, 3, 4, 5}, {}}, true).sizes, 5u);
}

TEST(Trend, RefusesWhatIsNoSeries) {
  EXPECT_THROW(test_trend({{1, 2}, {1}, {}}, true), InputError);
  EXPECT_THROW(test_trend({{1, -2}, {1, 1}, {}}, true), InputError);
  EXPECT_THROW(test_trend({{1, 2}, {1, NAN}, {}}, true), InputError);
}

}  // namespace
}  // namespace isoflop::laws
