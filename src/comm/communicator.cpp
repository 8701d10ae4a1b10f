#include "comm/communicator.hpp"

#include "core/error.hpp"

namespace isoflop::comm {

void Communicator::require_size(const char* call, std::size_t all, std::size_t each,
                                const Place& place) const {
  if (all == each * static_cast<std::size_t>(size())) return;
  throw Error(fmt::format("{} at {}:{}, rank {}: seen {} elements for all ranks, needed {} x {}",
                          call, place.file_name(), place.line(), rank(), all, size(), each));
}

}  // namespace isoflop::comm
