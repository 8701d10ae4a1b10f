#include "profile/profile.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace isoflop::profile {
namespace {

constexpr std::chrono::milliseconds kWork{20};

// However slow the machine is, no more is counted than has passed.
TEST(Profile, AnInnerScopeIsOffTheTimeOfTheOneAround) {
  Profile profile;
  const auto begin = Scope::Clock::now();
  {
    const Scope pipeline(profile, Region::pipeline);
    for (int i = 0; i < 2; ++i) {
      const Scope wait(profile, Region::wait);
      const Scope reduce(profile, Region::reduce, 7.0);
      std::this_thread::sleep_for(kWork);
    }
  }
  const double passed = std::chrono::duration<double>(Scope::Clock::now() - begin).count();
  double counted = 0.0;
  for (const Counter& counter : profile.counters()) counted += counter.seconds;
  EXPECT_LE(counted, passed);
  EXPECT_GE(profile[Region::reduce].seconds, 0.04);
  EXPECT_GE(profile[Region::wait].seconds, 0.0);
  EXPECT_GE(profile[Region::pipeline].seconds, 0.0);
  EXPECT_EQ(profile[Region::pipeline].calls, 1);
  EXPECT_EQ(profile[Region::reduce].calls, 2);
  EXPECT_EQ(profile.flops(), 14.0);
}

TEST(Profile, ScopesBehindOneAnotherKeepTheirOwnTime) {
  Profile profile;
  {
    const Scope data(profile, Region::data);
    std::this_thread::sleep_for(kWork);
  }
  {
    const Scope loss(profile, Region::loss);
    std::this_thread::sleep_for(kWork);
  }
  EXPECT_GE(profile[Region::data].seconds, 0.02);
  EXPECT_GE(profile[Region::loss].seconds, 0.02);
}

}  // namespace
}  // namespace isoflop::profile
