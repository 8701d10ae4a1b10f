// A gradient_sum.hpp by the reductions of the transport's library (train.reproducible = false): one
// buffer of the padded size, to which this rank's virtual ranks add one after the other, and a
// reduction a part under way from its last virtual rank on. The bits depend on the number of ranks
// and on what the library chooses.
#pragma once

#include <cstddef>
#include <vector>

#include "device/arena.hpp"
#include "device/stream.hpp"
#include "parallel/zero/gradient_sum.hpp"

namespace isoflop::parallel {

class LibrarySum final : public GradientSum {
 public:
  /// `plan` deals runs.
  LibrarySum(GradientPlan plan, comm::Communicator& communicator, profile::Profile& profile);

  void begin(std::size_t turn) override;
  float* gradient(std::size_t part) override;
  void complete(std::size_t part) override;
  void advance() override;
  void finish() override;
  float* shard(std::size_t part) override;
  void all_gather() override;
  float* full(std::size_t part) override;

  static std::size_t memory_bytes(const GradientPlan& plan);

 private:
  GradientPlan plan_;
  comm::Communicator& communicator_;
  profile::Profile& profile_;
  device::Stream stream_;
  device::Arena arena_;
  float* values_;  // [padded size]
  std::size_t turn_ = 0;
  std::vector<bool> touched_;            // parts, in this step
  std::vector<comm::Request> requests_;  // of parts
};

}  // namespace isoflop::parallel
