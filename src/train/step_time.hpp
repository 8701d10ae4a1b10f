// What a step of a layout takes, by formula, before anything is started: to choose a layout by.
//
// A rank computes its share of the exact FLOP (model/cost.hpp) and what is recomputed, at a rate
// that was measured on one rank. A message between two ranks takes alpha + beta bytes (Hockney
// 1994); a collective of n ranks is n - 1 of them on each. Nothing is hidden behind computation,
// which holds where the processor itself moves the bytes (ranks of one machine) and is an upper
// bound elsewhere. Stages wait for each other as their schedule says (parallel/pipeline/timeline).
// Left out: what a rank does whatever the layout (the optimizer's pass with ZeRO 0), additions of
// what arrives, messages of a few numbers.
#pragma once

#include <cstddef>

#include "config/run_config.hpp"

namespace isoflop::train {

/// Seconds of a message of some bytes.
struct Line {
  double alpha = 0.0;  // seconds
  double beta = 0.0;   // seconds a byte

  double operator()(double bytes) const { return alpha + beta * bytes; }
};

struct Speeds {
  double flops;     // a second, of one rank in training: exact FLOP and what is recomputed, the
                    // time of all else it does counted in
  Line send{};      // from one rank to another, one way
  Line exchange{};  // to a rank and from it, in an all-to-all
  Line gather{};    // likewise in an all-gather
  // Likewise in the reductions of the transport's library (train.reproducible = false):
  Line library_scatter{};
  Line library_reduce{};  // twice, for it is a scatter and a gather
};

/// Seconds a step on the rank of the pipeline that works longest.
struct StepTime {
  double compute = 0.0;
  double tensor = 0.0;    // collectives with the tensor-parallel ranks
  double pipeline = 0.0;  // waiting for other stages, their messages
  double replicas = 0.0;  // sums of gradients, gathers of weights
  double bubble = 0.0;    // idle share of all ranks of the pipeline, without `replicas`

  double total() const { return compute + tensor + pipeline + replicas; }
};

/// `config` is resolved and check_ranks() has accepted `ranks`.
StepTime predict_step(const config::RunConfig& config, std::size_t ranks, const Speeds& speeds);

/// Where messages take no time: shares of a step are right, seconds are those of one FLOP/s.
constexpr Speeds kOnlyCompute{.flops = 1.0};

}  // namespace isoflop::train
