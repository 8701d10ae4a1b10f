#include "parallel/zero/tree_sum.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::parallel {
namespace {

using profile::Region;
using profile::Scope;

// Nodes that other ranks bring to the fullest meeting.
std::size_t slots_needed(const GradientPlan& plan) {
  std::size_t most = 0;
  for (std::size_t turn = 0; turn < plan.dealing.turns(); ++turn) {
    std::size_t slots = 0;
    for (std::size_t peer = 0; peer < plan.dealing.ranks; ++peer)
      if (peer != plan.rank) slots += plan.dealing.brings(peer, turn).size();
    most = std::max(most, slots);
  }
  return most;
}

std::size_t accumulators_needed(const Dealing& dealing) {
  std::size_t most = 0;
  for (std::size_t turn = 0; turn <= dealing.turns(); ++turn)
    most = std::max(most, dealing.waiting(turn).size());
  return most;
}

std::span<std::byte> bytes_of(float* values, std::size_t count) {
  return std::as_writable_bytes(std::span<float>(values, count));
}

// Blocks take turns in two buffers, one being filled while the other is sent; embeddings and head
// have their own.
std::vector<float*> lay_out_parts(device::Arena& arena, const GradientPlan& plan) {
  const PartSharding& s = plan.sharding;
  std::vector<float*> parts(s.parts());
  for (std::size_t part = 0; part < s.parts(); ++part)
    if (plan.keeps_parts || !s.is_block(part)) parts[part] = arena.take<float>(s.padded(part));
  if (plan.keeps_parts) return parts;
  float* pair[2] = {arena.take<float>(s.largest_block()), arena.take<float>(s.second_block())};
  for (std::size_t part = s.blocks().begin; part < s.blocks().end; ++part)
    parts[part] = pair[(part - s.blocks().begin) % 2];
  return parts;
}

}  // namespace

TreeSum::Buffers TreeSum::lay_out(device::Arena& arena, const GradientPlan& plan) {
  Buffers buffers;
  const PartSharding& s = plan.sharding;
  if (plan.dealing.in_rounds) {
    buffers.parts = lay_out_parts(arena, plan);
    for (std::size_t i = 0; i < accumulators_needed(plan.dealing); ++i)
      buffers.accumulators.push_back(arena.take<float>(s.local_size()));
  } else {
    const Extent mine = share(plan.dealing.virtual_ranks, plan.dealing.ranks, plan.rank);
    for (std::size_t i = 0; i < buffers_needed(mine); ++i)
      buffers.full.push_back(arena.take<float>(s.padded_size()));
  }
  const std::size_t slots = slots_needed(plan);
  for (std::size_t i = 0; i < slots; ++i)
    buffers.slots.push_back(arena.take<float>(std::min(plan.bucket, s.largest_shard())));
  return buffers;
}

std::size_t TreeSum::memory_bytes(const GradientPlan& plan) {
  device::Arena counting;
  lay_out(counting, plan);
  return counting.used();
}

// What does not change from step to step is worked out once.
std::vector<TreeSum::Turn> TreeSum::turns_of(const GradientPlan& plan) {
  const Dealing& dealing = plan.dealing;
  std::vector<Turn> turns(dealing.turns());
  for (std::size_t turn = 0; turn < turns.size(); ++turn) {
    const Extent mine = share(dealing.virtual_ranks, dealing.ranks, plan.rank);
    if (!dealing.in_rounds) turns[turn].before = subtrees({mine.begin, mine.begin + turn});
    if (!dealing.in_rounds && turn > 0) continue;  // the ranks meet once
    turns[turn].waiting = dealing.waiting(turn);
    for (std::size_t rank = 0; rank < dealing.ranks; ++rank)
      turns[turn].brings.push_back(dealing.brings(rank, turn));
  }
  return turns;
}

TreeSum::TreeSum(GradientPlan plan, comm::Communicator& communicator, profile::Profile& profile)
    : plan_(std::move(plan)),
      communicator_(communicator),
      profile_(profile),
      arena_(memory_bytes(plan_)),
      buffers_(lay_out(arena_, plan_)),
      turns_(turns_of(plan_)),
      touched_(plan_.sharding.parts()),
      gathers_(plan_.sharding.parts()) {
  meetings_.reserve(touched_.size() * turns_.size());
}

void TreeSum::begin(std::size_t turn) {
  turn_ = turn;
  touched_.assign(touched_.size(), false);
}

// Where this rank's node number `index` of the meeting lies.
float* TreeSum::own(std::size_t index, std::size_t part) const {
  return plan_.dealing.in_rounds ? buffers_.parts[part]
                                 : buffers_.full[index] + plan_.sharding.padded_begin(part);
}

float* TreeSum::accumulator(std::size_t index, std::size_t part) const {
  const PartSharding& s = plan_.sharding;
  return plan_.dealing.in_rounds
             ? buffers_.accumulators[index] + s.local_begin(part)
             : buffers_.full[index] + s.padded_begin(part) + plan_.rank * s.shard(part);
}

float* TreeSum::gradient(std::size_t part) {
  ISOFLOP_EXPECT(plan_.dealing.virtual_rank(plan_.rank, turn_).has_value());
  // In runs the nodes of the virtual ranks before wait in the buffers before.
  float* values = own(turns_[turn_].before.size(), part);
  if (touched_[part]) return values;
  touched_[part] = true;
  const auto lent = [&](const Meeting& meeting) {
    return plan_.dealing.in_rounds && buffers_.parts[meeting.part] == values;
  };
  while (std::any_of(meetings_.begin(), meetings_.end(), lent)) finish_bucket();
  const Scope scope(profile_, Region::zero);
  kernels::fill(stream_, plan_.sharding.padded(part), 0.0f, values);
  return values;
}

void TreeSum::complete(std::size_t part) {
  const Dealing& dealing = plan_.dealing;
  if (!dealing.in_rounds) {
    add_up_inside(part);
    if (turn_ != dealing.last_turn(plan_.rank)) return;
  }
  meetings_.push_back({part, dealing.in_rounds ? turn_ : 0});
  if (meetings_.size() == 1) start_bucket();
}

// Runs: the new virtual rank and the nodes of this rank that wait for it.
void TreeSum::add_up_inside(std::size_t part) {
  const Scope scope(profile_, Region::reduce);
  const std::size_t now = *plan_.dealing.virtual_rank(plan_.rank, turn_);
  across_.clear();
  for (const Extent& node : turns_[turn_].before)
    across_.push_back({node, own(across_.size(), part)});
  across_.push_back({{now, now + 1}, own(across_.size(), part)});
  add_siblings(across_, plan_.sharding.padded(part));
}

// Adds the last node to its left sibling, the sum to its own, and so on.
void TreeSum::add_siblings(std::vector<Node>& nodes, std::size_t count) {
  while (nodes.size() > 1 && are_siblings(nodes[nodes.size() - 2].extent, nodes.back().extent)) {
    Node& left = nodes[nodes.size() - 2];
    kernels::add_in_place(stream_, count, nodes.back().values, left.values);
    left.extent.end = nodes.back().extent.end;
    nodes.pop_back();
  }
}

std::size_t TreeSum::bucket() const {
  return std::min(plan_.bucket, plan_.sharding.shard(meetings_.front().part) - offset_);
}

// Every rank sends the nodes it brings, elements [offset, offset + bucket) of each shard, to the
// shard's owner.
void TreeSum::start_bucket() {
  const auto [part, turn] = meetings_.front();
  const std::size_t shard = plan_.sharding.shard(part), count = bucket();
  sends_.clear();
  receives_.clear();
  nodes_.clear();
  for (const Extent& node : turns_[turn].waiting)
    nodes_.push_back({node, accumulator(nodes_.size(), part) + offset_});
  std::size_t slot = 0;
  for (std::size_t peer = 0; peer < plan_.dealing.ranks; ++peer) {
    std::size_t index = 0;
    for (const Extent& node : turns_[turn].brings[peer]) {
      if (peer == plan_.rank) {
        nodes_.push_back({node, own(index++, part) + peer * shard + offset_});
      } else {
        nodes_.push_back({node, buffers_.slots[slot++]});
        receives_.push_back({static_cast<int>(peer), bytes_of(nodes_.back().values, count)});
      }
    }
    if (peer == plan_.rank) continue;
    for (index = 0; index < turns_[turn].brings[plan_.rank].size(); ++index) {
      float* values = own(index, part) + peer * shard + offset_;
      sends_.push_back({static_cast<int>(peer), bytes_of(values, count)});
    }
  }
  request_ = communicator_.start_exchange(sends_, receives_);
}

void TreeSum::finish_bucket() {
  {
    const Scope scope(profile_, Region::wait);
    waiting_ = true;
    request_.wait();
    waiting_ = false;
  }
  const Scope scope(profile_, Region::reduce);
  combine_bucket();
  offset_ += bucket();
  if (offset_ == plan_.sharding.shard(meetings_.front().part)) {
    meetings_.erase(meetings_.begin());
    offset_ = 0;
  }
  if (!meetings_.empty()) start_bucket();
}

// Adds what was brought to what waits, in the order of the tree, and keeps what still waits.
void TreeSum::combine_bucket() {
  const std::size_t part = meetings_.front().part, count = bucket();
  across_.clear();
  for (const Node& node : nodes_) {
    across_.push_back(node);
    add_siblings(across_, count);
  }
  for (std::size_t i = 0; i < across_.size(); ++i) {
    float* place = accumulator(i, part) + offset_;
    if (across_[i].values != place) std::copy_n(across_[i].values, count, place);
  }
}

void TreeSum::advance() {
  if (!waiting_ && !meetings_.empty() && request_.done()) finish_bucket();
}

void TreeSum::finish() {
  while (!meetings_.empty()) finish_bucket();
}

float* TreeSum::shard(std::size_t part) { return accumulator(0, part); }

float* TreeSum::full(std::size_t part) {
  return buffers_.full[0] + plan_.sharding.padded_begin(part);
}

void TreeSum::all_gather() {
  if (plan_.dealing.ranks == 1) return;
  const Scope scope(profile_, Region::wait);
  for (std::size_t part = 0; part < plan_.sharding.parts(); ++part)
    gathers_[part] = communicator_.start_all_gather<float>(
        {shard(part), plan_.sharding.shard(part)}, {full(part), plan_.sharding.padded(part)});
  for (comm::Request& gather : gathers_) gather.wait();
}

}  // namespace isoflop::parallel
