#include "train/spike_guard.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace isoflop::train {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

config::GuardConfig rule(config::OnSpike on_spike) {
  return {.on_spike = on_spike, .window = 4, .z_score = 3.0};
}

// Losses 1, 2, 3, 4: mean 2.5, deviation sqrt(5 / 3).
SpikeGuard filled(config::OnSpike on_spike = config::OnSpike::skip) {
  SpikeGuard guard(rule(on_spike));
  for (int step = 1; step <= 4; ++step) EXPECT_FALSE(guard.judge(step, step, 1.0 + 0.1 * step));
  return guard;
}

TEST(SpikeGuard, JudgesByTheDistanceFromTheWindowInDeviations) {
  const double edge = 2.5 + 3.0 * std::sqrt(5.0 / 3.0);
  EXPECT_FALSE(filled().judge(5, edge - 1e-6, 1.2));
  const auto spike = filled().judge(5, edge + 1e-6, 1.2);
  ASSERT_TRUE(spike);
  EXPECT_EQ(spike->quantity, "loss");
  EXPECT_NEAR(spike->z_score, 3.0, 1e-5);
  EXPECT_FALSE(filled().judge(5, -100.0, 1.2)) << "a low loss is no spike";
  const auto norm = filled().judge(5, edge + 1e-6, 50.0);
  ASSERT_TRUE(norm);
  EXPECT_EQ(norm->quantity, "gradient norm") << "the one further out";
  EXPECT_EQ(norm->value, 50.0);
}

TEST(SpikeGuard, IsSilentWhileTheWindowIsNotFull) {
  SpikeGuard guard(rule(config::OnSpike::skip));
  guard.judge(1, 1.0, 1.0);
  EXPECT_FALSE(guard.judge(2, 1000.0, 1000.0));
  EXPECT_TRUE(guard.judge(3, kNan, 1.0)) << "no number is a spike of any window";
}

TEST(SpikeGuard, ASpikeStaysOutOfTheWindow) {
  SpikeGuard guard = filled();
  ASSERT_TRUE(guard.judge(5, 20.0, 1.2));
  EXPECT_TRUE(guard.judge(6, 20.0, 1.2));
}

// Equal values have no deviation; a jump from them is a spike all the same, rounding is none.
TEST(SpikeGuard, AJumpFromEqualValuesIsASpike) {
  const auto after = [](double constant, double next) {
    SpikeGuard guard(rule(config::OnSpike::skip));
    for (int step = 1; step <= 4; ++step) EXPECT_FALSE(guard.judge(step, constant, constant));
    return guard.judge(5, next, constant).has_value();
  };
  EXPECT_TRUE(after(3.0, 4.0));
  EXPECT_FALSE(after(3.0, 3.0));
  EXPECT_FALSE(after(3.0, 3.0 * (1.0 + 1e-7)));
  EXPECT_FALSE(after(3.0, 2.0));
  EXPECT_TRUE(after(0.0, 1e-3));
  EXPECT_FALSE(after(0.0, 0.0));
}

// One that does nothing tells spikes, however many; what the run trains on enters the window.
TEST(SpikeGuard, OneThatDoesNothingTellsSpikes) {
  SpikeGuard guard = filled(config::OnSpike::nothing);
  EXPECT_FALSE(guard.acts());
  EXPECT_TRUE(guard.judge(5, 20.0, 1.2));
  EXPECT_FALSE(guard.judge(6, 20.0, 1.2)) << "no longer far above the steps before";
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(guard.judge(7 + i, 1e3 * std::pow(10.0, i), 1.2));
}

TEST(SpikeGuard, OneThatDoesNothingMayFindAnotherWindowOrNone) {
  SpikeGuard wide{config::GuardConfig{.window = 8, .z_score = 3.0}};
  for (int step = 1; step <= 8; ++step) EXPECT_FALSE(wide.judge(step, step, 1.0));
  SpikeGuard narrow(rule(config::OnSpike::nothing));
  EXPECT_NO_THROW(narrow.restore({}, "here"));
  narrow.restore(wide.state(), "here");  // 5, 6, 7, 8
  EXPECT_FALSE(narrow.judge(9, 10.3, 1.0));
  SpikeGuard other(rule(config::OnSpike::nothing));
  other.restore(wide.state(), "here");
  EXPECT_NEAR(other.judge(9, 10.5, 1.0)->z_score, 4.0 / std::sqrt(5.0 / 3.0), 1e-12);
}

TEST(SpikeGuard, StateComesBackToTheBit) {
  SpikeGuard guard = filled();
  guard.judge(5, 20.0, 1.2);
  guard.judge(6, 1.0 / 3.0, 1.1);
  SpikeGuard other(rule(config::OnSpike::skip));
  other.restore(guard.state(), "here");
  EXPECT_EQ(other.state(), guard.state());
  EXPECT_EQ(other.judge(7, 30.0, 1.2)->z_score, guard.judge(7, 30.0, 1.2)->z_score);
  EXPECT_THROW(other.restore({}, "here"), InputError);
}

TEST(SpikeGuard, GoingBackPassesOverTheDataSince) {
  SpikeGuard guard = filled(config::OnSpike::rollback);
  ASSERT_TRUE(guard.judge(10, 20.0, 1.2));
  SpikeGuard at_checkpoint = filled(config::OnSpike::rollback);
  at_checkpoint.rolled_back(guard, 10, 7);  // step 8 then sees what step 11 would have seen
  EXPECT_EQ(at_checkpoint.skipped_batches(), 3);
  ASSERT_TRUE(at_checkpoint.judge(9, 20.0, 1.2));
  SpikeGuard again = filled(config::OnSpike::rollback);
  again.rolled_back(at_checkpoint, 9, 7);
  EXPECT_EQ(again.skipped_batches(), 5);
}

TEST(SpikeGuard, TooManyInARowEndTheRun) {
  SpikeGuard guard = filled();
  const auto spikes = [&] {
    int seen = 0;
    while (seen < 1000 && guard.judge(5 + seen, 20.0, 1.2)) ++seen;
  };
  EXPECT_THROW(spikes(), CheckFailed);
  SpikeGuard patient = filled();
  for (int i = 0; i < 200; ++i) {
    const bool high = i % 20 != 0;
    EXPECT_EQ(patient.judge(i, high ? 20.0 : 2.0 + i % 3, 1.2).has_value(), high);
  }
}

TEST(SpikeGuard, RollbacksCountUntilTheNextCheckpoint) {
  const auto attempts = [](bool checkpoints) {
    SpikeGuard guard = filled(config::OnSpike::rollback);
    for (int i = 0; i < 100; ++i) {
      guard.judge(5, 2.0 + i % 3, 1.2);
      guard.judge(6, 200.0, 1.2);
      if (checkpoints) guard.passed_checkpoint();
    }
  };
  EXPECT_THROW(attempts(false), CheckFailed);
  EXPECT_NO_THROW(attempts(true));
}

}  // namespace
}  // namespace isoflop::train
