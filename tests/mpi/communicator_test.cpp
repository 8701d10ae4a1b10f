#include "comm/communicator.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "comm/mpi/mpi.hpp"

namespace isoflop::comm {
namespace {

class MpiCommunicator : public ::testing::TestWithParam<std::size_t> {
 protected:
  Communicator world_{make_mpi_transport(MPI_COMM_WORLD)};

  std::vector<float> values_of(int rank) const {
    std::vector<float> values(GetParam());
    std::iota(values.begin(), values.end(), 1000.0f * static_cast<float>(rank + 1));
    return values;
  }
};

TEST_P(MpiCommunicator, BroadcastReachesAll) {
  const int root = world_.size() - 1;
  std::vector<float> values = values_of(world_.rank());
  world_.broadcast<float>(values, root);
  EXPECT_EQ(values, values_of(root));
}

TEST_P(MpiCommunicator, AllGatherIsInRankOrderAlsoInPlace) {
  const std::size_t count = GetParam();
  std::vector<float> expected;
  for (int rank = 0; rank < world_.size(); ++rank) {
    const std::vector<float> part = values_of(rank);
    expected.insert(expected.end(), part.begin(), part.end());
  }
  const std::vector<float> mine = values_of(world_.rank());
  std::vector<float> all(expected.size(), -1.0f);
  world_.all_gather<float>(mine, all);
  EXPECT_EQ(all, expected);

  std::vector<float> in_place(expected.size(), -1.0f);
  const std::span<float> place =
      std::span(in_place).subspan(static_cast<std::size_t>(world_.rank()) * count, count);
  std::copy(mine.begin(), mine.end(), place.begin());
  world_.all_gather<float>(place, in_place);
  EXPECT_EQ(in_place, expected);
}

TEST_P(MpiCommunicator, ExchangeDeliversToTheNamedPeerInOrder) {
  std::vector<std::vector<float>> out, in;
  std::vector<Message> sends, receives;
  for (int peer = 0; peer < world_.size(); ++peer) {
    if (peer == world_.rank()) continue;
    for (int message = 0; message < 2; ++message) {
      out.push_back(values_of(10 * world_.rank() + message));
      in.emplace_back(GetParam(), -1.0f);
    }
  }
  std::size_t next = 0;
  for (int peer = 0; peer < world_.size(); ++peer) {
    if (peer == world_.rank()) continue;
    for (int message = 0; message < 2; ++message, ++next) {
      sends.push_back({peer, std::as_writable_bytes(std::span(out[next]))});
      receives.push_back({peer, std::as_writable_bytes(std::span(in[next]))});
    }
  }
  world_.exchange(sends, receives);
  next = 0;
  for (int peer = 0; peer < world_.size(); ++peer) {
    if (peer == world_.rank()) continue;
    for (int message = 0; message < 2; ++message)
      EXPECT_EQ(in[next++], values_of(10 * peer + message));
  }
}

TEST_P(MpiCommunicator, MaximumIsOverAllRanks) {
  EXPECT_EQ(world_.maximum(world_.rank() - 5), world_.size() - 6);
}

INSTANTIATE_TEST_SUITE_P(Counts, MpiCommunicator, ::testing::Values(0, 1, 17, 100'003));

}  // namespace
}  // namespace isoflop::comm
