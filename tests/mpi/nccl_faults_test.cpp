// What goes wrong between ranks and on the device ends at the deadline with its name.
#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/mpi/mpi.hpp"
#include "comm/nccl/nccl.hpp"
#include "nccl_stand_in.hpp"
#include "tests/harness/error_text.hpp"

namespace isoflop::comm {
namespace {

using test::error_of;
using test::expect_parts;

class NcclFaults : public ::testing::Test {
 protected:
  static Communicator make() {
    const Options options{.deadline_seconds = 0.3, .check_arguments = false};
    auto host = make_mpi_transport(options);
    const int rank = host->rank();
    Communicator ranks(make_nccl_transport(std::move(host), rank, options));
    ranks.at_step(12);
    return ranks;
  }
  void SetUp() override { stand_in() = {}; }
  void TearDown() override {
    stand_in() = {};
    MPI_Barrier(MPI_COMM_WORLD);
  }

  Communicator ranks_ = make();
  std::vector<float> mine_ = std::vector<float>(8);
  std::vector<float> all_ = std::vector<float>(8 * static_cast<std::size_t>(ranks_.size()));
};

TEST_F(NcclFaults, ARankThatDoesNotComeIsNamedAndTheCallIsAborted) {
  const int last = ranks_.size() - 1;
  if (last == 0) GTEST_SKIP() << "one rank waits for nobody";
  if (ranks_.rank() == last) std::this_thread::sleep_for(std::chrono::seconds(4));
  const std::string text = error_of([&] { ranks_.all_gather<float>(mine_, all_); });
  if (ranks_.rank() != last)
    expect_parts(text, {"all_gather of group world at mpi/nccl_faults_test.cpp", "step 12",
                        "did not arrive: rank " + std::to_string(last) + " (no answer)"});
  EXPECT_FALSE(text.empty()) << "the others were gone";
  EXPECT_EQ(stand_in().aborted, 1);
  expect_parts(error_of([&] { ranks_.all_gather<float>(mine_, all_); }),
               {"all_gather at", "nccl_faults_test.cpp", "something failed before"});
}

TEST_F(NcclFaults, ADeviceThatHangsIsGivenUpWithAllItsCalls) {
  std::vector<float> other(3);
  stand_in().hangs = true;
  Request second = ranks_.start_broadcast<float>(other, 0);
  expect_parts(error_of([&] { ranks_.all_gather<float>(mine_, all_); }),
               {"all_gather at", "nccl_faults_test.cpp", "step 12", "all ranks are there",
                "deadline (ISOFLOP_DEADLINE) of 0.3 s"});
  EXPECT_EQ(stand_in().aborted, 1);
  expect_parts(error_of([&] { second.wait(); }), {"broadcast at", "something failed before"});
}

}  // namespace
}  // namespace isoflop::comm
