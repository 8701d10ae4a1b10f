// Times training steps of a configuration and says where the time goes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"

namespace isoflop::train {

struct RegionShare {
  std::string region;
  double share;   // of the step time
  double gflops;  // GFLOP/s inside the region, 0 where no FLOP are counted
};

struct BenchResult {
  double tokens_per_second;
  double step_seconds;         // median
  std::size_t peak_rss_bytes;  // of the rank that took most
  double gflops;  // exact model GFLOP/s of all ranks (causal attention halved, no recomputation)
  double computed_gflops;  // the same with what is recomputed
  double share_of_peak;    // of the measured dense peak of the run's format, all threads and ranks
  double first_step_seconds;  // from the call to the end of the first step
  double bubble;              // share of the step time that ranks wait for their pipeline's others
  double bubble_played;       // when the schedule is played with the processor time of the ranks'
                              // passes: as on a core for every rank, messages taking no time
  double bubble_formula;      // when it is played with the FLOP of the passes (step_time.hpp)
  double bubble_equal;        // when all stages and passes take the same time
  std::vector<RegionShare> shares;
};

/// Runs `steps` timed steps after two warm-up ones. Collective; times and rates are those of the
/// slowest rank, the bubble is the mean of all, memory that of the rank that took most, shares are
/// this rank's. InputError for what cannot be trained.
BenchResult bench(config::RunConfig config, std::int64_t steps, comm::Communicator& communicator);

}  // namespace isoflop::train
