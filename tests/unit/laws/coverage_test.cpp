// Intervals for larger runs hold about what they claim, at fixed seeds. The whole count, over more
// families and seeds, is tests/benchmark/coverage_benchmark.cpp.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "families.hpp"
#include "laws/predict/predict.hpp"

namespace isoflop::laws {
namespace {

synthetic::Family family_of(const std::string& name) {
  for (const synthetic::Family& family : synthetic::families())
    if (family.name == name) return family;
  throw InputError("no family " + name);
}

/// The share of the larger runs of `seeds` trials that lie inside their 80% interval.
double coverage(const std::string& name, std::uint64_t seeds) {
  const synthetic::Family family = family_of(name);
  double inside = 0;
  double count = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const synthetic::Trial trial = make_trial(family, seed);
    const Fit result = fit(trial.fitted, {.law = std::string(kEnsemble), .bootstrap = 0});
    for (std::size_t i = 0; i < trial.held_out.size(); ++i) {
      const Interval interval =
          *predict(result, trial.held_out.params[i], trial.held_out.tokens[i], 0.8).interval;
      inside += interval.low <= trial.held_out.loss[i] && trial.held_out.loss[i] <= interval.high;
      count += 1;
    }
  }
  return inside / count;
}

struct Case {
  const char* family;
  std::uint64_t seeds;
};

/// The test's name.
std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.family; }

class Coverage : public testing::TestWithParam<Case> {};

TEST_P(Coverage, OfIntervalsForLargerRuns) {
  const double share = coverage(GetParam().family, GetParam().seeds);
  constexpr double kRoom = 0.02;  // a few runs that the last bit of another machine may move
  EXPECT_GE(share, 0.65 - kRoom) << GetParam().family;
  EXPECT_LE(share, 0.95 + kRoom) << GetParam().family;
}

INSTANTIATE_TEST_SUITE_P(
    InView, Coverage,
    testing::Values(Case{"Hoffmann, 0.5% noise", 6}, Case{"Kaplan, no floor", 6},
                    Case{"small models badly tuned", 6}, Case{"exponents change slowly", 6},
                    Case{"falls ever faster", 10}, Case{"gain that fades fast above 3e18 FLOP", 10},
                    Case{"twelve budgets of three sizes", 10}, Case{"Kaplan, 2% noise", 10},
                    Case{"twenty points of a grid, Hoffmann", 10},
                    Case{"twenty points of a grid, Epoch", 10}, Case{"Farseer's exponents", 20},
                    Case{"one outlier in seven", 20}, Case{"exponent of D breaks at 3e9", 20}));

}  // namespace
}  // namespace isoflop::laws
