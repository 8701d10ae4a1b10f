#include "optim/schedule.hpp"

#include <gtest/gtest.h>

namespace isoflop::optim {
namespace {

TEST(Schedule, CosineGoesFromPeakToFinalFraction) {
  const ScheduleConfig cosine{ScheduleKind::cosine, 100, 0.0, 0.1};
  EXPECT_DOUBLE_EQ(schedule_factor(cosine, 50, 1100), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(cosine, 100, 1100), 1.0);
  EXPECT_NEAR(schedule_factor(cosine, 600, 1100), 0.55, 1e-15);
  EXPECT_NEAR(schedule_factor(cosine, 1100, 1100), 0.1, 1e-15);
  EXPECT_EQ(stable_tokens(cosine, 1100), 0);
}

TEST(Schedule, WarmupStableDecayIsFlatThenLinear) {
  const ScheduleConfig wsd{ScheduleKind::wsd, 100, 0.2, 0.0};
  EXPECT_EQ(stable_tokens(wsd, 1000), 800);
  EXPECT_DOUBLE_EQ(schedule_factor(wsd, 10, 1000), 0.1);
  EXPECT_DOUBLE_EQ(schedule_factor(wsd, 800, 1000), 1.0);
  EXPECT_DOUBLE_EQ(schedule_factor(wsd, 900, 1000), 0.5);
  EXPECT_DOUBLE_EQ(schedule_factor(wsd, 1000, 1000), 0.0);
}

TEST(Schedule, StablePhaseDoesNotKnowTheLength) {
  const ScheduleConfig wsd{ScheduleKind::wsd, 100, 0.2, 0.0};
  for (std::int64_t tokens = 1; tokens <= stable_tokens(wsd, 1000); ++tokens) {
    ASSERT_EQ(schedule_factor(wsd, tokens, 1000), schedule_factor(wsd, tokens, 5000)) << tokens;
  }
}

}  // namespace
}  // namespace isoflop::optim
