#include "comm/mpi/signature.hpp"

#include <fmt/format.h>

#include <cstring>

#include "comm/mpi/elements.hpp"
#include "comm/mpi/watch.hpp"
#include "core/error.hpp"

namespace isoflop::comm {

Signature::Signature(std::size_t bytes_a_rank, const Call& from)
    : bytes(bytes_a_rank), root(from.root) {
  copy_text(call, from.name);
  copy_text(place, text_of(from.place));
  copy_text(type, readable(*from.type));
  copy_text(combine, from.combine);
}

bool Signature::fits(const Signature& other) const {
  return std::strcmp(call, other.call) == 0 && std::strcmp(type, other.type) == 0 &&
         std::strcmp(combine, other.combine) == 0 && bytes == other.bytes && root == other.root;
}

std::string Signature::text(int rank) const {
  const std::string of = combine[0] == '\0' ? "" : fmt::format(" ({})", combine);
  return fmt::format("rank {}: {}{} at {}, {} bytes a rank in elements of {}, root {}", rank, call,
                     of, place, bytes, type, root);
}

void require_same(std::span<const Signature> calls, std::span<const int> ranks) {
  for (std::size_t i = 1; i < calls.size(); ++i) {
    if (calls[i].fits(calls[0])) continue;
    throw Error("ranks disagree about a collective: " + calls[0].text(ranks[0]) + "; " +
                calls[i].text(ranks[i]));
  }
}

}  // namespace isoflop::comm
