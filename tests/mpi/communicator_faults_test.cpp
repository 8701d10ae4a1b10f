// What goes wrong between ranks is found and named: arguments that differ, messages of another
// length, ranks that never come.
#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/mpi/mpi.hpp"
#include "parallel/layout/mesh.hpp"
#include "tests/harness/error_text.hpp"

namespace isoflop::comm {
namespace {

using test::error_of;
using test::expect_parts;

class Faults : public ::testing::Test {
 protected:
  static Communicator checked() {
    return Communicator(make_mpi_transport({.check_arguments = true}));
  }
  void SetUp() override {
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    if (size_ == 1) GTEST_SKIP() << "one rank agrees with itself";
  }
  bool last() const { return rank_ == size_ - 1; }

  int size_ = 0, rank_ = 0;
};

TEST_F(Faults, AnotherCountIsNamedWithRankCallAndPlace) {
  Communicator world = checked();
  std::vector<float> mine(last() ? 7 : 8), all(mine.size() * static_cast<std::size_t>(size_));
  const std::string text = error_of([&] { world.all_gather<float>(mine, all); });
  expect_parts(text, {"rank 0: all_gather at mpi/communicator_faults_test.cpp", "32 bytes",
                      "rank " + std::to_string(size_ - 1), "28 bytes"});
}

TEST_F(Faults, AnotherTypeRootCombinationOrCallIsNamed) {
  Communicator world = checked();
  std::vector<float> floats(8);
  std::vector<std::int32_t> integers(8);  // as many bytes
  expect_parts(error_of([&] {
                 last() ? world.broadcast<std::int32_t>(integers, 0)
                        : world.broadcast<float>(floats, 0);
               }),
               {"rank 0: broadcast", "elements of float", "elements of int"});
  expect_parts(
      error_of([&] { world.all_reduce<float>(floats, last() ? Combine::maximum : Combine::sum); }),
      {"rank 0: all_reduce (sum) at", "all_reduce (maximum) at"});
  expect_parts(error_of([&] { world.broadcast<float>(floats, last() ? 1 : 0); }),
               {"root 0", "root 1"});
  expect_parts(
      error_of([&] { last() ? world.barrier() : world.all_reduce<float>(floats, Combine::sum); }),
      {"rank 0: all_reduce", "barrier"});
}

TEST_F(Faults, AMessageOfAnotherLengthIsNamed) {
  Communicator world(make_mpi_transport({.check_arguments = false}));
  std::vector<float> data(100'000);
  const auto exchanged = [&](std::size_t sent, std::size_t needed) {
    if (rank_ == 0) world.send<float>(std::span<const float>(data).first(sent), size_ - 1);
    if (!last()) return std::string();
    return error_of([&] { world.receive<float>(std::span(data).first(needed), 0); });
  };
  const std::string place = "receive at mpi/communicator_faults_test.cpp";
  const std::string shorter = exchanged(60, 100), longer = exchanged(100, 60);
  const std::string longest = exchanged(data.size(), 60);  // too long to be sent unasked
  const std::string right = exchanged(60, 60);
  if (!last()) return;
  expect_parts(shorter, {place, "rank 0 sent 240 bytes, needed 400 bytes"});
  // Of a longer message some libraries count only what there was room for.
  const auto expect_longer = [&](const std::string& text, const std::string& bytes) {
    expect_parts(text, {place});
    EXPECT_TRUE(std::regex_search(
        text, std::regex("rank 0 sent (" + bytes + " bytes|more), needed 240 bytes")))
        << text;
  };
  expect_longer(longer, "400");
  expect_longer(longest, "400000");
  EXPECT_EQ(right, "");
}

TEST_F(Faults, AMessageOfAnotherTypeIsNamed) {
  struct Own {
    std::int32_t value;
  };
  Communicator world(make_mpi_transport({.check_arguments = false}));
  std::vector<float> floats(60'000);
  const std::vector<std::int32_t> integers(floats.size());  // as many bytes
  const std::vector<Own> owns(floats.size());
  const auto received = [&](std::size_t count) {
    return error_of([&] { world.receive<float>(std::span(floats).first(count), 0); });
  };
  if (rank_ == 0) {
    for (const std::size_t count : {std::size_t{60}, floats.size()})  // sent unasked, and not
      world.send<std::int32_t>(std::span(integers).first(count), size_ - 1);
    world.send<Own>(owns, size_ - 1);
    world.send<float>(floats, size_ - 1);
    const Message untyped{size_ - 1, std::as_writable_bytes(std::span(floats))};
    world.exchange({&untyped, 1}, {});
  }
  if (!last()) return;
  const std::string place = "receive at mpi/communicator_faults_test.cpp";
  expect_parts(received(60), {place, "rank 0 sent elements of int, needed float"});
  expect_parts(received(floats.size()), {place, "rank 0 sent elements of int, needed float"});
  expect_parts(received(floats.size()), {place, "rank 0 sent elements of another type, needed"});
  EXPECT_EQ(received(floats.size()), "");
  EXPECT_EQ(received(floats.size()), "");
}

// The last rank sleeps; the others name it, the call, the place and the step.
TEST_F(Faults, ARankThatDoesNotComeIsNamedAfterTheDeadline) {
  Communicator world(make_mpi_transport({.deadline_seconds = 0.3, .check_arguments = false}));
  world.at_step(12);
  const auto begin = std::chrono::steady_clock::now();
  if (last()) {
    std::this_thread::sleep_for(std::chrono::seconds(4));
    error_of([&] { world.barrier(); });  // may be complete: the others were there
  } else {
    const std::string text = error_of([&] { world.barrier(); });
    expect_parts(text, {"barrier of group world at mpi/communicator_faults_test.cpp", "step 12",
                        "did not arrive: rank " + std::to_string(size_ - 1) + " (no answer)"});
    EXPECT_EQ(text.find("rank 0 ("), std::string::npos) << text;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

// A deadline that has passed is not waited for again, neither by a call nor by a request that goes.
TEST_F(Faults, AWorldThatFailedFailsAtOnce) {
  constexpr double kDeadline = 3.0;
  Communicator world(make_mpi_transport({.deadline_seconds = kDeadline, .check_arguments = false}));
  if (!last()) {
    const auto begin = std::chrono::steady_clock::now();
    static std::vector<float> first(8), second(8);  // given up, not cancelled: they may be written
    const std::string text = error_of([&] {
      const Request dropped = world.start_receive<float>(first, size_ - 1);
      world.receive<float>(second, size_ - 1);
    });
    expect_parts(text, {"receive of group world", "(no answer)"});
    expect_parts(error_of([&] { world.receive<float>(second, size_ - 1); }), {"not waited for"});
    EXPECT_LT(std::chrono::steady_clock::now() - begin,
              std::chrono::duration<double>(3 * kDeadline));  // one, and the 2 s for answers
  }
  MPI_Barrier(MPI_COMM_WORLD);
  if (last()) {
    const std::vector<float> data(8);
    for (int peer = 0; peer + 1 < size_; ++peer)
      for (int message = 0; message < 3; ++message) world.send<float>(data, peer);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

// Every rank waits for its left neighbour, and nobody sends: the neighbour answers, and is named.
TEST_F(Faults, AMessageThatNobodySendsNamesWhoShouldHave) {
  Communicator world(make_mpi_transport({.deadline_seconds = 0.3, .check_arguments = false}));
  static std::vector<float> data(8);  // given up, not cancelled
  world.at_step(7);
  const int left = (rank_ + size_ - 1) % size_, before = (left + size_ - 1) % size_;
  const std::string text = error_of([&] { world.receive<float>(data, left); });
  expect_parts(text, {"receive of group world", "step 7",
                      "did not arrive: rank " + std::to_string(left) +
                          " (waits in receive of group world at mpi/communicator_faults_test.cpp",
                      "step 7, for rank " + std::to_string(before) + ")"});
  EXPECT_EQ(text.find("no answer"), std::string::npos) << text;
  MPI_Barrier(MPI_COMM_WORLD);
}

// Rank 0 waits for a message of the last rank; the others have nothing to do with it.
TEST_F(Faults, WhoHasNoPartInAMessageIsNotNamed) {
  Communicator world(make_mpi_transport({.deadline_seconds = 0.3, .check_arguments = false}));
  static std::vector<float> first(8), second(8);
  if (rank_ == 0) {
    const std::string text = error_of([&] {
      Request request = world.start_receive<float>(first, size_ - 1);
      world.receive<float>(second, size_ - 1);
    });
    const std::string last = "did not arrive: rank " + std::to_string(size_ - 1) + " (no answer)";
    ASSERT_GE(text.size(), last.size()) << text;
    EXPECT_EQ(text.substr(text.size() - last.size()), last) << text;
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

// Two groups of one name: a later collective of the other is none of this one.
TEST_F(Faults, GroupsOfOneNameAreToldApart) {
  Communicator world(make_mpi_transport({.deadline_seconds = 0.5, .check_arguments = false}));
  Communicator chunk = world.group("data", 0), other = world.group("data", 0);
  for (int i = 0; i < 2; ++i) other.barrier();
  const std::string text = error_of([&] { last() ? other.barrier() : chunk.barrier(); });
  const std::string waits = " (waits in barrier of group data at mpi/communicator_faults_test.cpp";
  for (int rank = 0; rank < size_; ++rank) {
    const bool together = (rank == size_ - 1) == last();
    EXPECT_EQ(text.find("rank " + std::to_string(rank) + waits) == std::string::npos, together)
        << text;
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

// Ranks that wait elsewhere are named with the place where they wait.
TEST_F(Faults, RanksThatWaitInAnotherGroupSayWhere) {
  if (size_ != 4) GTEST_SKIP() << "needs two groups of two";
  Communicator world(make_mpi_transport({.deadline_seconds = 0.3, .check_arguments = false}));
  const parallel::Mesh mesh{1, 2, 2};
  const auto me = static_cast<std::size_t>(rank_);
  Communicator data = world.group("data", mesh.color(me, parallel::Axis::data));
  Communicator stages = world.group("pipeline", mesh.color(me, parallel::Axis::pipeline));
  ASSERT_EQ(data.size(), 2);
  ASSERT_EQ(stages.size(), 2);
  std::string text;  // rank 2 waits for 3 in its line of replicas, rank 0 for 2 in its pipeline
  if (rank_ == 0) text = error_of([&] { stages.barrier(); });
  if (rank_ == 2) text = error_of([&] { data.barrier(); });
  if (rank_ == 0) expect_parts(text, {"rank 2 (waits in barrier of group data"});
  if (rank_ == 2) expect_parts(text, {"rank 3 (no answer)"});
  MPI_Barrier(MPI_COMM_WORLD);
  if (rank_ == 3) data.barrier();
}

}  // namespace
}  // namespace isoflop::comm
