#include "checkpoint/plan.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "core/error.hpp"

namespace isoflop::checkpoint {
namespace {

constexpr std::size_t kBlock = (std::size_t{1} << 20) / sizeof(float);  // elements
constexpr std::size_t kKindBytes = 24;

/// A slice as the ranks tell it each other; kind is empty in entries that only fill up.
struct Claim {
  std::array<char, kKindBytes + 1> kind{};
  std::size_t begin = 0, end = 0;
};

/// Slices of all ranks, in rank order.
struct RankClaim : Claim {
  int rank = 0;
};

std::vector<RankClaim> gather_claims(comm::Communicator& communicator, const State& state) {
  const auto most = static_cast<std::size_t>(
      communicator.maximum(static_cast<std::int64_t>(state.slices.size())));
  std::vector<Claim> mine(most);
  for (std::size_t i = 0; i < state.slices.size(); ++i) {
    const Slice& slice = state.slices[i];
    slice.kind.copy(mine[i].kind.data(), kKindBytes);
    mine[i].begin = slice.begin;
    mine[i].end = slice.end;
  }
  std::vector<Claim> all(most * static_cast<std::size_t>(communicator.size()));
  communicator.all_gather(std::span<const Claim>(mine), std::span(all));
  std::vector<RankClaim> claims;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].kind[0] != '\0') claims.push_back({all[i], static_cast<int>(i / most)});
  return claims;
}

/// Adds the blocks of one tensor of one kind.
void add_blocks(const std::vector<RankClaim>& claims, const std::string& kind,
                const TensorEntry& tensor, std::int64_t index, std::vector<Block>& blocks) {
  const std::size_t end = tensor.offset + tensor.count();
  for (std::size_t at = tensor.offset; at < end;) {
    const auto holder = std::find_if(claims.begin(), claims.end(), [&](const RankClaim& claim) {
      return kind == claim.kind.data() && claim.begin <= at && at < claim.end;
    });
    if (holder == claims.end())
      throw Error(fmt::format("checkpoint: no rank holds element {} of {} of tensor {}",
                              at - tensor.offset, kind, tensor.name));
    const std::size_t count = std::min({kBlock, end - at, holder->end - at});
    blocks.push_back({kind, index, static_cast<std::int64_t>(at - tensor.offset),
                      static_cast<std::int64_t>(count), "", holder->rank});
    at += count;
  }
}

}  // namespace

Plan make_plan(comm::Communicator& communicator, const State& state) {
  const std::vector<RankClaim> claims = gather_claims(communicator, state);
  std::set<std::string> kinds;
  for (const RankClaim& claim : claims) kinds.insert(claim.kind.data());
  Plan plan{{kinds.begin(), kinds.end()}, {}};
  for (const std::string& kind : plan.kinds)
    for (std::size_t i = 0; i < state.tensors.size(); ++i)
      add_blocks(claims, kind, state.tensors[i], static_cast<std::int64_t>(i), plan.blocks);
  return plan;
}

Overlap overlap(const Block& block, const TensorEntry& tensor, const Slice& slice) {
  if (block.kind != slice.kind) return {0, 0};
  const std::size_t first = tensor.offset + static_cast<std::size_t>(block.begin);
  const std::size_t begin = std::max(first, slice.begin);
  const std::size_t end = std::min(first + static_cast<std::size_t>(block.count), slice.end);
  return begin < end ? Overlap{begin, end} : Overlap{0, 0};
}

}  // namespace isoflop::checkpoint
