#include "comm/bench.hpp"

#include <gtest/gtest.h>

#include <span>

#include "comm/self/self.hpp"

namespace isoflop::comm {
namespace {

CollectiveBench with_times(double alpha, double beta) {
  CollectiveBench bench{"made up", {}, 0.0, 0.0};
  for (std::size_t bytes = 4; bytes < 100'000'000; bytes *= 4)
    bench.points.push_back({bytes, alpha + beta * static_cast<double>(bytes), 0.0});
  return bench;
}

TEST(CommBench, TheLineIsFoundAtBothEnds) {
  CollectiveBench bench = with_times(3e-6, 2e-10);
  fit_line(bench);
  EXPECT_NEAR(bench.alpha_seconds, 3e-6, 1e-12);
  EXPECT_NEAR(bench.beta_seconds_per_byte, 2e-10, 1e-16);
}

TEST(CommBench, NeitherIsNegative) {
  CollectiveBench bench = with_times(1e-6, 1e-10);
  for (BenchPoint& point : bench.points) point.seconds = 1e-3 / static_cast<double>(point.bytes);
  fit_line(bench);
  EXPECT_GE(bench.alpha_seconds, 0.0);
  EXPECT_EQ(bench.beta_seconds_per_byte, 0.0);
}

TEST(CommBench, TimesEveryCollectiveUpToTheLargest) {
  Communicator alone(make_self_transport());
  const auto benches = bench(alone, 4096, 3);
  ASSERT_EQ(benches.size(), 8u);
  EXPECT_EQ(benches.front().name, "barrier");
  ASSERT_EQ(benches.front().points.size(), 1u);
  EXPECT_GT(benches.front().points.front().seconds, 0.0);
  for (const CollectiveBench& one : std::span(benches).subspan(1)) {
    EXPECT_EQ(one.points.front().bytes, 4u) << one.name;
    EXPECT_EQ(one.points.back().bytes, 4096u) << one.name;
    EXPECT_GT(one.points.back().seconds, 0.0) << one.name;
  }
}

}  // namespace
}  // namespace isoflop::comm
