// A gradient_sum.hpp along the fixed tree of parallel/layout, inside a rank and across ranks alike.
//
// Runs (ZeRO 0, 1): log2 buffers of the padded size; the ranks meet in their last turn. Rounds
// (ZeRO 2, 3): a buffer of the parts under way, which is lent to the next part once its gradient
// has been sent, and log2 shards. With several micro-batches a virtual rank every part keeps a
// buffer, since they add to one another. One bucket at a time is under way, and a slot of that size
// is needed for every node that other ranks bring.
#pragma once

#include <cstddef>
#include <vector>

#include "device/arena.hpp"
#include "device/stream.hpp"
#include "parallel/zero/gradient_sum.hpp"

namespace isoflop::parallel {

class TreeSum final : public GradientSum {
 public:
  TreeSum(GradientPlan plan, comm::Communicator& communicator, profile::Profile& profile);

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
  // What the ranks do in a turn, worked out before the first step.
  struct Turn {
    std::vector<Extent> before;               // nodes of this rank that wait for it; runs
    std::vector<Extent> waiting;              // nodes that wait for what the ranks bring
    std::vector<std::vector<Extent>> brings;  // [rank] nodes; in runs of the first turn alone
  };
  // The ranks meet over one part.
  struct Meeting {
    std::size_t part;
    std::size_t turn;
  };

  static Buffers lay_out(device::Arena& arena, const GradientPlan& plan);
  static std::vector<Turn> turns_of(const GradientPlan& plan);
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
  std::vector<Turn> turns_;
  std::size_t turn_ = 0;
  std::vector<bool> touched_;      // parts, in this turn
  std::vector<Meeting> meetings_;  // the first one is under way
  std::size_t offset_ = 0;         // of its bucket
  comm::Request request_;          // its messages
  bool waiting_ = false;           // for them
  std::vector<Node> nodes_;        // of its bucket: what waits, then what all ranks bring
  std::vector<Node> across_;       // those that wait for their sibling
  std::vector<comm::Message> sends_;
  std::vector<comm::Message> receives_;
  std::vector<comm::Request> gathers_;  // of parts
};

}  // namespace isoflop::parallel
