// How fast the ranks of a communicator talk: time against message size for each collective, and the
// line time = alpha + beta bytes through it (Hockney 1994).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace isoflop::comm {

struct BenchPoint {
  std::size_t bytes;  // all_gather, all_to_all, scatters: of all blocks; else of the message
  double seconds;     // median over calls of the slowest rank's time
  double bus_bytes_per_second;  // what the slowest link must have carried
};

struct CollectiveBench {
  std::string name;
  std::vector<BenchPoint> points;
  double alpha_seconds = 0.0;
  double beta_seconds_per_byte = 0.0;
};

/// Times barrier (a single point, of 0 bytes) and, from 4 bytes to `largest` in steps of 4,
/// broadcast, all_gather, reduce_scatter, all_reduce, the last two by the transport's library
/// (unordered), all_to_all and (two ranks and more) send. Collective.
std::vector<CollectiveBench> bench(Communicator& communicator, std::size_t largest,
                                   int repetitions);

/// alpha and beta by least squares of relative errors, so that small messages count as much as
/// large ones; neither is negative. Needs two points or more of different sizes.
void fit_line(CollectiveBench& bench);

}  // namespace isoflop::comm
