// Messages and reductions of more bytes than an int counts. They take 14 GiB of memory and minutes
// of two quiet cores, so that they run only where ISOFLOP_TEST_HUGE is set (docs/parallelism.md):
//
//   ISOFLOP_TEST_HUGE=1 ISOFLOP_TEST_RANKS=2 mpirun -n 2 mpi_communicator --gtest_filter='Huge*'
#include <gtest/gtest.h>

#include <climits>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/mpi/mpi.hpp"

namespace isoflop::comm {
namespace {

constexpr std::size_t kHuge = (std::size_t{9} << 28) + 7;  // 2.25 GiB and an odd rest
static_assert(kHuge > INT_MAX);

using Bytes = std::vector<std::uint8_t>;

// Of rank `rank`; a piece that comes to a wrong place shows.
std::uint8_t value(int rank, std::size_t i) {
  return static_cast<std::uint8_t>((i ^ (i >> 7) ^ (i >> 20)) +
                                   101 * static_cast<std::size_t>(rank));
}

void fill(std::span<std::uint8_t> bytes, int rank) {
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = value(rank, i);
}

// The first byte that is not `rank`'s; the size if there is none.
std::size_t first_wrong(std::span<const std::uint8_t> bytes, int rank) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] != value(rank, i)) return i;
  return bytes.size();
}

// As many bytes again, for types whose elements count.
constexpr std::size_t kHalfOfFloats = kHuge / sizeof(float) / 2 + 1;

void fill(std::span<float> numbers, int rank) {
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(value(rank, i));
}

// The first of `sums` that is not that of both ranks' numbers at its place, which begin at `first`.
std::size_t first_wrong_sum(std::span<const float> sums, std::size_t first) {
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (sums[i] != static_cast<float>(value(0, first + i) + value(1, first + i))) return i;
  return sums.size();
}

class Huge : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("ISOFLOP_TEST_HUGE") == nullptr)
      GTEST_SKIP() << "takes 14 GiB; set ISOFLOP_TEST_HUGE";
    if (world_.size() != 2) GTEST_SKIP() << "needs two ranks";
  }

  Communicator world_{make_mpi_transport({.check_arguments = false})};
  const int rank_ = world_.rank(), other_ = 1 - rank_;
};

TEST_F(Huge, BroadcastAndMessagesArriveWhole) {
  Bytes bytes(kHuge);
  fill(bytes, rank_);
  world_.broadcast<std::uint8_t>(bytes, 1);
  EXPECT_EQ(first_wrong(bytes, 1), kHuge);
  fill(bytes, rank_);
  if (rank_ == 0) {
    world_.send<std::uint8_t>(bytes, 1);
  } else {
    world_.receive<std::uint8_t>(bytes, 0);
    EXPECT_EQ(first_wrong(bytes, 0), kHuge);
  }
}

TEST_F(Huge, AllGatherIsInRankOrder) {
  Bytes all(2 * kHuge);
  const std::span<std::uint8_t> blocks(all);
  const auto block = [&](int rank) {
    return blocks.subspan(static_cast<std::size_t>(rank) * kHuge, kHuge);
  };
  fill(block(rank_), rank_);
  world_.all_gather<std::uint8_t>(block(rank_), blocks);
  for (const int rank : {0, 1}) EXPECT_EQ(first_wrong(block(rank), rank), kHuge) << rank;
}

// Each block half of it: the memory of four whole ones would be too much.
TEST_F(Huge, AllToAllSendsBlockRToRankR) {
  constexpr std::size_t kHalf = kHuge / 2 + 1;
  Bytes out(2 * kHalf), in(2 * kHalf);
  for (const int to : {0, 1})
    fill(std::span(out).subspan(static_cast<std::size_t>(to) * kHalf, kHalf), 2 * rank_ + to);
  world_.all_to_all<std::uint8_t>(out, in);
  for (const int from : {0, 1}) {
    const auto block = std::span(in).subspan(static_cast<std::size_t>(from) * kHalf, kHalf);
    EXPECT_EQ(first_wrong(block, 2 * from + rank_), kHalf) << from;
  }
}

TEST_F(Huge, ReductionsAddWhatHasTheSamePlace) {
  std::vector<float> numbers(2 * kHalfOfFloats);
  const std::size_t begin = static_cast<std::size_t>(rank_) * kHalfOfFloats;
  const std::span<float> mine = std::span(numbers).subspan(begin, kHalfOfFloats);
  fill(numbers, rank_);
  world_.reduce_scatter<float>(numbers, mine, Combine::sum);
  EXPECT_EQ(first_wrong_sum(mine, begin), mine.size());
  fill(numbers, rank_);
  world_.all_reduce<float>(numbers, Combine::sum);
  EXPECT_EQ(first_wrong_sum(numbers, 0), numbers.size());
}

TEST_F(Huge, SoDoThoseOfTheLibrary) {
  std::vector<float> numbers(2 * kHalfOfFloats);
  fill(numbers, rank_);
  world_.start_unordered_reduce_scatter(numbers).wait();
  EXPECT_EQ(first_wrong_sum(std::span(numbers).first(kHalfOfFloats),
                            static_cast<std::size_t>(rank_) * kHalfOfFloats),
            kHalfOfFloats);
  fill(numbers, rank_);
  world_.start_unordered_all_reduce(numbers).wait();
  EXPECT_EQ(first_wrong_sum(numbers, 0), numbers.size());
}

}  // namespace
}  // namespace isoflop::comm
