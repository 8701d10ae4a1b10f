#include "train/ordered_sum.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "comm/mpi/mpi.hpp"

namespace isoflop::train {
namespace {

// Values whose sum depends on the order of addition.
std::vector<double> values_of(const std::vector<HeldRun>& row) {
  std::vector<double> values;
  for (const HeldRun& run : row)
    for (std::size_t i = 0; i < run.count; ++i)
      values.push_back(std::ldexp(0.3 + static_cast<double>(values.size() * 7919 % 1009),
                                  static_cast<int>(values.size() * 5 % 97) - 48));
  return values;
}

double sum_of(const std::vector<double>& values) {
  double total = 0.0;
  for (const double value : values) total += value;
  return total;
}

class OrderedSums : public ::testing::Test {
 protected:
  // The last rank holds nothing, unless it is alone; the others several runs, the first a long one.
  std::vector<HeldRun> uneven_row() const {
    const auto ranks = static_cast<std::size_t>(world_.size());
    std::vector<HeldRun> row = {{0, 100}};
    for (std::size_t i = 0; i < 3 * ranks; ++i) row.push_back({i % (ranks > 1 ? ranks - 1 : 1), i});
    return row;
  }

  comm::Communicator world_{comm::make_mpi_transport()};
  profile::Profile profile_;
};

TEST_F(OrderedSums, HaveTheBitsOfOneRank) {
  const std::vector<HeldRun> row = uneven_row();
  OrderedSum sum(row, world_, profile_, profile::Region::wait);
  std::vector<double> values = values_of(row);
  sum.take(values);
  EXPECT_EQ(sum.sum(), sum_of(values));
  for (double& value : sum.mine()) value = -1.0;  // a second sum knows nothing of the first
  EXPECT_EQ(sum.sum(), -static_cast<double>(values.size()));
}

TEST_F(OrderedSums, HoldAboutARowWhenRanksHoldEquallyMuch) {
  const auto ranks = static_cast<std::size_t>(world_.size());
  std::vector<HeldRun> row;
  for (std::size_t i = 0; i < 2 * ranks; ++i) row.push_back({i % ranks, 50});
  EXPECT_EQ(OrderedSum::memory_bytes(row, ranks), values_of(row).size() * sizeof(double));
  EXPECT_EQ(OrderedSum(row, world_, profile_, profile::Region::wait).mine().size(), 100u);
}

}  // namespace
}  // namespace isoflop::train
