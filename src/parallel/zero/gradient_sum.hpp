// Sums the gradients of all virtual ranks along the fixed tree of parallel/layout, inside this rank
// and then across ranks.
//
//   for each virtual rank of mine, in order:
//     float* g = sum.next();  ... add gradients to g ...;  sum.finish_one();
//   sum.reduce_scatter(comm);    // sum.result(): complete inside this rank's shard
//   sum.all_gather(comm);        // (ZeRO 0) complete everywhere
//
// Memory: log2 buffers of the padded size, and one bucket a subtree that other ranks hold. Nothing
// is allocated after the constructor. reduce_scatter and all_gather are collective and block.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"
#include "device/arena.hpp"
#include "device/stream.hpp"
#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::parallel {

class GradientSum {
 public:
  GradientSum(device::Stream& stream, const Sharding& sharding, std::size_t virtual_ranks,
              std::size_t rank);

  /// This rank's virtual ranks.
  const Extent& mine() const { return mine_; }

  /// A buffer of zeros [padded size] for the gradient of the next virtual rank.
  float* next();

  /// The buffer of the last next() is complete: adds what can be added.
  void finish_one();

  /// Adds across ranks. Afterwards result() holds the sum of all virtual ranks inside this rank's
  /// shard, and the next next() starts over.
  void reduce_scatter(comm::Communicator& communicator);

  /// After reduce_scatter: gives every rank all shards.
  void all_gather(comm::Communicator& communicator);

  float* result() { return buffers_[0]; }

  static std::size_t memory_bytes(const Sharding& sharding, std::size_t virtual_ranks,
                                  std::size_t rank);

 private:
  // A node of the tree on the way to the root: where its values lie.
  struct Node {
    Extent extent;
    float* values;
  };

  void reduce_bucket(comm::Communicator& communicator, std::size_t begin, std::size_t count);
  void add_siblings(std::vector<Node>& nodes, std::size_t count);

  device::Stream& stream_;
  Sharding sharding_;
  std::size_t rank_;
  Extent mine_;
  std::vector<std::vector<Extent>> subtrees_of_rank_;
  device::Arena arena_;
  std::vector<float*> buffers_;       // [padded size] each
  std::vector<float*> bucket_slots_;  // [kBucket] each, one a subtree of another rank
  std::vector<Node> pending_;         // nodes of this rank that wait for their sibling
  std::vector<Node> arrivals_;        // all ranks' subtrees of one bucket, in order
  std::vector<Node> across_;          // those that wait for their sibling
  std::vector<comm::Message> sends_;
  std::vector<comm::Message> receives_;
};

}  // namespace isoflop::parallel
