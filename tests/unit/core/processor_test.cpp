#include "core/processor.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>

#include <fstream>

namespace isoflop {
namespace {

namespace fs = std::filesystem;

/// A folder in the place of /sys/fs/cgroup, whose root has the limit `text`.
class UsableCores : public testing::Test {
 protected:
  ~UsableCores() override { fs::remove_all(groups_); }

  std::size_t with_limit(const char* text) {
    std::ofstream(groups_ / "cpu.max") << text << "\n";
    return usable_cores(groups_);
  }

  fs::path groups_ = [] {
    std::string name = (fs::temp_directory_path() / "isoflop-test-XXXXXX").string();
    return fs::path(mkdtemp(name.data()));
  }();
};

TEST_F(UsableCores, AreThoseOfTheAffinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(usable_cores(groups_), static_cast<std::size_t>(CPU_COUNT(&before)));
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cores(groups_), 1u);
  EXPECT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST_F(UsableCores, AreNoMoreThanTheControlGroupAllows) {
  const std::size_t all = usable_cores(groups_);
  EXPECT_EQ(with_limit("max 100000"), all);
  EXPECT_EQ(with_limit("50000 100000"), 1u);
  EXPECT_EQ(with_limit("90000 100000"), 1u);
  EXPECT_EQ(with_limit("100000000 100000"), all);
  EXPECT_EQ(with_limit("nonsense"), all);
}

}  // namespace
}  // namespace isoflop
