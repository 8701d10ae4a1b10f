// Intervals for larger runs hold about what they claim, at fixed seeds. The whole count, over more
// families and seeds, is tests/benchmark/coverage_benchmark.cpp.
#include <gtest/gtest.h>

#include "families.hpp"
#include "laws/predict.hpp"

namespace isoflop::laws {
namespace {

TEST(Coverage, OfIntervalsForLargerRuns) {
  constexpr int kSeeds = 5;
  int inside = 0;
  int count = 0;
  std::vector<double> of_family;
  for (const synthetic::Family& family : synthetic::families()) {
    if (family.name != "Hoffmann, 0.5% noise" && family.name != "Kaplan, no floor" &&
        family.name != "small models badly tuned")
      continue;
    int held = 0;
    int asked = 0;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
      const synthetic::Trial trial = make_trial(family, seed);
      const Fit result = fit(trial.fitted, {.law = std::string(kEnsemble), .bootstrap = 0});
      for (std::size_t i = 0; i < trial.held_out.size(); ++i) {
        const Interval interval =
            *predict(result, trial.held_out.params[i], trial.held_out.tokens[i], 0.8).interval;
        held += interval.low <= trial.held_out.loss[i] && trial.held_out.loss[i] <= interval.high;
        ++asked;
      }
    }
    EXPECT_GE(held, asked / 2) << family.name;
    inside += held;
    count += asked;
  }
  ASSERT_EQ(count, 3 * 12 * kSeeds);
  EXPECT_GE(inside, count * 65 / 100);
  EXPECT_LE(inside, count * 97 / 100);
}

}  // namespace
}  // namespace isoflop::laws
