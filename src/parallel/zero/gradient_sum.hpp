// Sums the gradients of all virtual ranks, part by part: inside this rank, across ranks while the
// backward pass goes on, and into this rank's shard.
//
//   for turn in 0 .. dealing.turns():
//     sum.begin(turn);
//     for each part, last to first:
//       float* g = sum.gradient(part);  ... add to g ...;  sum.complete(part);
//   sum.finish();                       // sum.shard(part): the sum of all virtual ranks
//   sum.all_gather();                   // (ZeRO 0) sum.full(part): the whole part on every rank
//
// tree_sum.hpp adds along the fixed tree of parallel/layout: the same bits on any number of ranks.
// library_sum.hpp leaves the order to the transport's library.
//
// Collective: all ranks begin the same turns and complete the same parts in the same order; a rank
// without a virtual rank in a turn of rounds completes the parts all the same. Nothing of size is
// allocated after the first step. gradient() and finish() block.
#pragma once

#include <cstddef>
#include <memory>

#include "comm/communicator.hpp"
#include "parallel/layout/dealing.hpp"
#include "parallel/layout/part_sharding.hpp"
#include "profile/profile.hpp"

namespace isoflop::parallel {

/// Who adds across ranks.
enum class Adder {
  tree,             // this program, along the fixed tree
  scatter_library,  // the transport's library, to every rank the sum of its shard
  gather_library,   // the transport's library, to every rank the sum of everything
};

struct GradientPlan {
  PartSharding sharding;
  Dealing dealing;
  std::size_t rank;
  bool keeps_parts;  // several micro-batches a virtual rank
  // Elements of each shard exchanged at a time: 4 MiB messages reach the transport's full rate, and
  // the slots stay small.
  std::size_t bucket = std::size_t{1} << 20;
  Adder adder = Adder::tree;  // the others not in rounds
};

class GradientSum {
 public:
  virtual ~GradientSum() = default;

  /// The next virtual rank of this rank, if it has one in this turn.
  virtual void begin(std::size_t turn) = 0;

  /// Where to add the gradient of a part [padded(part)] to what is there: nothing, or virtual ranks
  /// before.
  virtual float* gradient(std::size_t part) = 0;

  /// The part's gradient of this virtual rank is complete.
  virtual void complete(std::size_t part) = 0;

  /// Moves communication on; never blocks. May be called while another call of this rank waits.
  virtual void advance() = 0;

  virtual void finish() = 0;

  virtual float* shard(std::size_t part) = 0;  // [shard(part)]

  /// ZeRO 0 only.
  virtual void all_gather() = 0;
  virtual float* full(std::size_t part) = 0;  // [padded(part)]
};

/// References must outlive the sum.
std::unique_ptr<GradientSum> make_gradient_sum(const GradientPlan& plan,
                                               comm::Communicator& communicator,
                                               profile::Profile& profile);

/// What its buffers take; the transport's library has buffers of its own.
std::size_t gradient_sum_bytes(const GradientPlan& plan);

/// What those may take at most while reductions are under way, and take little of where few are at
/// a time: Open MPI 4.1 copies all it reduces, twice on a rank that scatters to three or more.
std::size_t library_copies_bytes(const GradientPlan& plan);

}  // namespace isoflop::parallel
