#include "config/conflict.hpp"

#include <fmt/format.h>

#include <bit>

namespace isoflop::config {
namespace {

using parallel::ScheduleKind;

// train.reproducible = false leaves the sum of gradients over replicas to the MPI library.
std::optional<Conflict> what_the_library_cannot_add(const ParallelConfig& parallel) {
  if (parallel.zero > 1)
    return Conflict{"zero",
                    fmt::format("seen {} with train.reproducible = false, needed 0 or 1: the "
                                "rounds of ZeRO 2 and 3 add to sums that wait in shards, which "
                                "the library's reductions do not",
                                parallel.zero)};
  if (parallel.tensor > 1)
    return Conflict{"tensor",
                    fmt::format("seen {} with train.reproducible = false, needed 1: what "
                                "tensor-parallel ranks add to the sum of gradients is added "
                                "in a fixed order alone",
                                parallel.tensor)};
  return std::nullopt;
}

}  // namespace

std::optional<Conflict> find_conflict(const ParallelConfig& parallel, const TrainConfig& train) {
  if (parallel.chunks > 1 &&
      (parallel.schedule != ScheduleKind::interleaved || parallel.pipeline == 1))
    return Conflict{"chunks", fmt::format("seen {}, needed 1, or schedule = \"interleaved\" with a "
                                          "pipeline of at least 2 ranks",
                                          parallel.chunks)};
  if (parallel.recompute != model::Recompute::none &&
      parallel.schedule == ScheduleKind::zero_bubble && parallel.pipeline > 1)
    return Conflict{
        "recompute",
        "cannot be with schedule \"zero-bubble\", which computes weight gradients "
        "later, when what they need is gone again; needed \"none\" or another schedule"};
  if (!train.reproducible)
    if (auto conflict = what_the_library_cannot_add(parallel)) return conflict;
  const std::int64_t most = train.global_batch / train.micro_batch;
  const std::int64_t v = parallel.virtual_ranks;  // 0: resolve() chooses one that fits
  if (v != 0 && (!std::has_single_bit(static_cast<std::uint64_t>(v)) || most % v != 0))
    return Conflict{"virtual_ranks", fmt::format("seen {}, needed a power of two that divides "
                                                 "global_batch / micro_batch = {}",
                                                 v, most)};
  return std::nullopt;
}

}  // namespace isoflop::config
