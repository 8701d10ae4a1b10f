#include "checkpoint/plan.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

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

/// A slice of any rank.
struct RankClaim : Claim {
  int rank = 0;
  std::size_t slice = 0;  // of the rank's
};

/// Elements [begin, end) of a kind and who writes them: all in one slice of one rank.
struct Piece {
  std::size_t begin, end;
  int rank;
  std::size_t slice;
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
    if (all[i].kind[0] != '\0') claims.push_back({all[i], static_cast<int>(i / most), i % most});
  return claims;
}

/// What is claimed of one kind, ascending, each element given to the lowest rank that holds it: one
/// pass over the ends of all claims, with those that hold the elements in between.
std::vector<Piece> deal(const std::vector<RankClaim>& claims) {
  struct End {
    std::size_t at;
    bool opens;
    const RankClaim* claim;
  };
  std::vector<End> ends;
  for (const RankClaim& claim : claims) {
    if (claim.begin >= claim.end) continue;  // a share of nothing
    ends.push_back({claim.begin, true, &claim});
    ends.push_back({claim.end, false, &claim});
  }
  std::ranges::sort(ends, {}, &End::at);
  std::set<std::pair<int, const RankClaim*>> holders;
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const std::pair holder(ends[i].claim->rank, ends[i].claim);
    if (ends[i].opens) {
      holders.insert(holder);
    } else {
      holders.erase(holder);
    }
    const bool more_behind = i + 1 < ends.size() && ends[i].at < ends[i + 1].at;
    if (!more_behind || holders.empty()) continue;
    const auto& [rank, claim] = *holders.begin();
    const bool goes_on = !pieces.empty() && pieces.back().end == ends[i].at &&
                         pieces.back().rank == rank && pieces.back().slice == claim->slice;
    if (goes_on) {
      pieces.back().end = ends[i + 1].at;
    } else {
      pieces.push_back({ends[i].at, ends[i + 1].at, rank, claim->slice});
    }
  }
  return pieces;
}

/// Adds the blocks of one tensor of one kind.
void add_blocks(const std::vector<Piece>& pieces, const std::string& kind,
                const TensorEntry& tensor, std::int64_t index, std::vector<Block>& blocks) {
  const std::size_t end = tensor.offset + tensor.count();
  auto piece = std::ranges::upper_bound(pieces, tensor.offset, {}, &Piece::end);
  for (std::size_t at = tensor.offset; at < end;) {
    if (piece == pieces.end() || at < piece->begin)
      throw Error(fmt::format("checkpoint: no rank holds element {} of {} of tensor {}",
                              at - tensor.offset, kind, tensor.name));
    const std::size_t count = std::min({kBlock, end - at, piece->end - at});
    blocks.push_back({kind, index, static_cast<std::int64_t>(at - tensor.offset),
                      static_cast<std::int64_t>(count), "", piece->rank, piece->slice});
    at += count;
    if (at == piece->end) ++piece;
  }
}

}  // namespace

Plan make_plan(comm::Communicator& communicator, const State& state) {
  std::map<std::string, std::vector<RankClaim>> claims;
  for (const RankClaim& claim : gather_claims(communicator, state))
    claims[claim.kind.data()].push_back(claim);
  Plan plan;
  for (const auto& [kind, own] : claims) {
    plan.kinds.push_back(kind);
    const std::vector<Piece> pieces = deal(own);
    for (std::size_t i = 0; i < state.tensors.size(); ++i)
      add_blocks(pieces, kind, state.tensors[i], static_cast<std::int64_t>(i), plan.blocks);
  }
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
