// The arguments of a collective, which ranks send each other to find that they disagree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "comm/transport.hpp"

namespace isoflop::comm {

/// The arguments of one rank's call. Sent as bytes: nothing lies between the members.
struct Signature {
  char call[32] = {};
  char place[80] = {};
  char type[40] = {};
  char combine[8] = {};
  std::uint64_t bytes = 0;
  std::int64_t root = 0;

  Signature() = default;
  Signature(std::size_t bytes_a_rank, const Call& from);

  bool fits(const Signature& other) const;
  std::string text(int rank) const;
};
static_assert(sizeof(Signature) == 32 + 80 + 40 + 8 + sizeof(std::uint64_t) + sizeof(std::int64_t));

/// Throws Error that names the first rank whose call is not that of the first. `ranks`: their
/// numbers in the world.
void require_same(std::span<const Signature> calls, std::span<const int> ranks);

}  // namespace isoflop::comm
