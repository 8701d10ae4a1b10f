#include "parallel/zero/gradient_sum.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::parallel {
namespace {

// Elements exchanged at a time: 4 MiB messages reach the transport's full rate, and the slots stay
// small.
constexpr std::size_t kBucket = std::size_t{1} << 20;

std::size_t slots_needed(std::size_t virtual_ranks, std::size_t ranks, std::size_t rank) {
  std::size_t slots = 0;
  for (std::size_t peer = 0; peer < ranks; ++peer) {
    if (peer != rank) slots += subtrees(share(virtual_ranks, ranks, peer)).size();
  }
  return slots;
}

std::span<std::byte> bytes_of(float* values, std::size_t count) {
  return std::as_writable_bytes(std::span<float>(values, count));
}

}  // namespace

std::size_t GradientSum::memory_bytes(const Sharding& sharding, std::size_t virtual_ranks,
                                      std::size_t rank) {
  const Extent mine = share(virtual_ranks, sharding.ranks, rank);
  const std::size_t buffers = buffers_needed(mine) * sharding.padded_size();
  const std::size_t slots =
      slots_needed(virtual_ranks, sharding.ranks, rank) * std::min(kBucket, sharding.shard);
  return (buffers + slots) * sizeof(float);
}

GradientSum::GradientSum(device::Stream& stream, const Sharding& sharding,
                         std::size_t virtual_ranks, std::size_t rank)
    : stream_(stream),
      sharding_(sharding),
      rank_(rank),
      mine_(share(virtual_ranks, sharding.ranks, rank)),
      arena_(memory_bytes(sharding, virtual_ranks, rank)) {
  for (std::size_t peer = 0; peer < sharding.ranks; ++peer) {
    subtrees_of_rank_.push_back(subtrees(share(virtual_ranks, sharding.ranks, peer)));
  }
  for (std::size_t i = 0; i < buffers_needed(mine_); ++i)
    buffers_.push_back(arena_.take<float>(sharding.padded_size()));
  for (std::size_t i = 0; i < slots_needed(virtual_ranks, sharding.ranks, rank); ++i) {
    bucket_slots_.push_back(arena_.take<float>(std::min(kBucket, sharding.shard)));
  }
  pending_.reserve(virtual_ranks);
  arrivals_.reserve(virtual_ranks);
  across_.reserve(virtual_ranks);
}

float* GradientSum::next() {
  ISOFLOP_EXPECT(pending_.size() < buffers_.size());
  const std::size_t index = pending_.empty() ? mine_.begin : pending_.back().extent.end;
  float* buffer = buffers_[pending_.size()];
  kernels::fill(stream_, sharding_.padded_size(), 0.0f, buffer);
  pending_.push_back({{index, index + 1}, buffer});
  return buffer;
}

void GradientSum::finish_one() { add_siblings(pending_, sharding_.padded_size()); }

// Adds the last node to its left sibling, the sum to its own, and so on.
void GradientSum::add_siblings(std::vector<Node>& nodes, std::size_t count) {
  while (nodes.size() > 1 && are_siblings(nodes[nodes.size() - 2].extent, nodes.back().extent)) {
    Node& left = nodes[nodes.size() - 2];
    kernels::add_in_place(stream_, count, nodes.back().values, left.values);
    left.extent.end = nodes.back().extent.end;
    nodes.pop_back();
  }
}

void GradientSum::reduce_scatter(comm::Communicator& communicator) {
  if (sharding_.ranks > 1) {
    for (std::size_t begin = 0; begin < sharding_.shard; begin += kBucket) {
      reduce_bucket(communicator, begin, std::min(kBucket, sharding_.shard - begin));
    }
  }
  pending_.clear();
}

// Every rank sends its subtree sums of elements [begin, begin + count) of each shard to the shard's
// owner, who adds them in tree order.
void GradientSum::reduce_bucket(comm::Communicator& communicator, std::size_t begin,
                                std::size_t count) {
  sends_.clear();
  receives_.clear();
  across_.clear();
  std::size_t slot = 0;
  float* const destination = buffers_[0] + sharding_.of(rank_).begin + begin;
  arrivals_.clear();
  for (std::size_t peer = 0; peer < sharding_.ranks; ++peer) {
    if (peer == rank_) {
      for (const Node& node : pending_)
        arrivals_.push_back({node.extent, node.values + sharding_.of(rank_).begin + begin});
      continue;
    }
    for (const Extent& extent : subtrees_of_rank_[peer]) {
      float* values = bucket_slots_[slot++];
      receives_.push_back({static_cast<int>(peer), bytes_of(values, count)});
      arrivals_.push_back({extent, values});
    }
    for (const Node& node : pending_) {
      sends_.push_back({static_cast<int>(peer),
                        bytes_of(node.values + sharding_.of(peer).begin + begin, count)});
    }
  }
  communicator.exchange(sends_, receives_);
  for (const Node& node : arrivals_) {
    across_.push_back(node);
    add_siblings(across_, count);
  }
  ISOFLOP_EXPECT(across_.size() == 1);
  if (across_[0].values != destination) std::copy_n(across_[0].values, count, destination);
}

void GradientSum::all_gather(comm::Communicator& communicator) {
  const Extent shard = sharding_.of(rank_);
  communicator.all_gather<float>({buffers_[0] + shard.begin, shard.size()},
                                 {buffers_[0], sharding_.padded_size()});
}

}  // namespace isoflop::parallel
