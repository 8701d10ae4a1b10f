// Sums the gradients of all virtual ranks along the fixed tree of parallel/layout, part by part:
// inside this rank, across ranks while the backward pass goes on, and into this rank's shard.
//
//   for turn in 0 .. dealing.turns():
//     sum.begin(turn);
//     for each part, last to first:
//       float* g = sum.gradient(part);  ... add to g ...;  sum.complete(part);
//   sum.finish();                       // sum.shard(part): the sum of all virtual ranks
//   sum.all_gather();                   // (ZeRO 0) sum.full(part): the whole part on every rank
//
// Runs (ZeRO 0, 1): log2 buffers of the padded size; the ranks meet in their last turn. Rounds
// (ZeRO 2, 3): a buffer of the parts under way, which is lent to the next part once its gradient
// has been sent, and log2 shards. With several micro-batches a virtual rank every part keeps a
// buffer, since they add to one another. One bucket at a time is under way, and a slot of that size
// is needed for every node that other ranks bring.
//
// Collective: all ranks begin the same turns and complete the same parts in the same order; a rank
// without a virtual rank in a turn of rounds completes the parts all the same. Nothing of size is
// allocated after the constructor. gradient() and finish() block.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "comm/communicator.hpp"
#include "device/arena.hpp"
#include "device/stream.hpp"
#include "parallel/layout/dealing.hpp"
#include "parallel/layout/part_sharding.hpp"
#include "profile/profile.hpp"

namespace isoflop::parallel {

struct GradientPlan {
  PartSharding sharding;
  Dealing dealing;
  std::size_t rank;
  bool keeps_parts;  // several micro-batches a virtual rank
  // Elements of each shard exchanged at a time: 4 MiB messages reach the transport's full rate, and
  // the slots stay small.
  std::size_t bucket = std::size_t{1} << 20;
};

class GradientSum {
 public:
  GradientSum(GradientPlan plan, comm::Communicator& communicator, profile::Profile& profile);

  /// The next virtual rank of this rank, if it has one in this turn.
  void begin(std::size_t turn);

  /// Where to add the gradient of a part [padded(part)]; zeros when first asked for in a turn.
  float* gradient(std::size_t part);

  /// The part's gradient of this virtual rank is complete.
  void complete(std::size_t part);

  /// Moves communication on; never blocks. May be called while another call of this rank waits.
  void advance();

  void finish();

  float* shard(std::size_t part);  // [shard(part)]

  /// Runs only.
  void all_gather();
  float* full(std::size_t part);  // [padded(part)]

  static std::size_t memory_bytes(const GradientPlan& plan);

 private:
  struct Buffers {
    std::vector<float*> full;          // [padded size] each; runs
    std::vector<float*> parts;         // [padded(part)] by part, some shared; rounds
    std::vector<float*> accumulators;  // [local size] each; rounds
    std::vector<float*> slots;         // [bucket] each
  };
  // A node of the tree on the way to the root: where its values lie.
  struct Node {
    Extent extent;
    float* values;
  };
  // The ranks meet over one part.
  struct Meeting {
    std::size_t part;
    std::size_t turn;
  };

  static Buffers lay_out(device::Arena& arena, const GradientPlan& plan);
  float* own(std::size_t index, std::size_t part) const;
  float* accumulator(std::size_t index, std::size_t part) const;
  void add_up_inside(std::size_t part);
  void add_siblings(std::vector<Node>& nodes, std::size_t count);
  std::size_t bucket() const;
  void start_bucket();
  void finish_bucket();
  void combine_bucket();

  GradientPlan plan_;
  comm::Communicator& communicator_;
  profile::Profile& profile_;
  device::Stream stream_;
  device::Arena arena_;
  Buffers buffers_;
  std::size_t turn_ = 0;
  std::vector<bool> touched_;     // parts, in this turn
  std::deque<Meeting> meetings_;  // the first one is under way
  std::size_t offset_ = 0;        // of its bucket
  comm::Request request_;         // its messages
  bool waiting_ = false;          // for them
  std::vector<Node> nodes_;       // of its bucket: what waits, then what all ranks bring
  std::vector<Node> across_;      // those that wait for their sibling
  std::vector<comm::Message> sends_;
  std::vector<comm::Message> receives_;
};

}  // namespace isoflop::parallel
