// The weights of a model on one rank: all of them (ZeRO 0 to 2), or this rank's shards and the
// parts that a pass is about to use (ZeRO 3).
//
// ZeRO 1 and 2: an updated part is gathered while other work goes on; full() waits for it.
// ZeRO 3: prefetch() starts to gather a part and the next one of a pass, full() waits for it.
// Blocks take turns in two slots, so that a block is gone as soon as the next one is prefetched;
// the other parts (embeddings, head) stay until they are updated.
//
// Gathers move on in advance() alone, and while this rank waits for whatever else.
//
// Collective: all ranks call prefetch() and full() for the same parts in the same order, and
// updated() for all parts.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "device/arena.hpp"
#include "parallel/layout/part_sharding.hpp"
#include "profile/profile.hpp"

namespace isoflop::parallel {

enum class Keep {
  replicas,  // every rank updates everything
  gathered,  // every rank updates its shards and has everything
  shards,    // every rank updates its shards and has nothing else
};

/// In which order a pass goes through the parts.
enum class Direction { forward, backward };

template <class T>
class Weights {
 public:
  Weights(const PartSharding& sharding, std::size_t rank, Keep keep,
          comm::Communicator& communicator, profile::Profile& profile);

  /// Starts to gather a part and, when only shards are kept, the one that a pass needs after it,
  /// unless that is done or under way. Never blocks.
  void prefetch(std::size_t part, Direction direction);

  /// The whole part [padded(part)], for reading until another one is prefetched. Blocks until it is
  /// there.
  const T* full(std::size_t part);

  /// What this rank updates of a part: its shard [shard(part)], or with replicas the whole part
  /// [padded(part)]. Waits for a gather under way, which reads it.
  T* own(std::size_t part);

  /// own(part) has changed.
  void updated(std::size_t part);

  /// Moves communication on; never blocks.
  void advance();

  static std::size_t memory_bytes(const PartSharding& sharding, Keep keep);

 private:
  static constexpr std::size_t kSlots = 2;

  struct Buffers {
    T* all = nullptr;                // [padded size], or [local size] of shards
    std::vector<T*> parts;           // [padded(part)] by part; null for blocks whose place changes
    std::array<T*, kSlots> slots{};  // [largest block]
  };

  static Buffers lay_out(device::Arena& arena, const PartSharding& sharding, Keep keep);
  std::size_t slot_of(std::size_t part) const { return (part - sharding_.blocks().begin) % kSlots; }
  bool in_slot(std::size_t part) const { return buffers_.parts[part] == nullptr; }
  void ensure(std::size_t part);
  void start(std::size_t part);

  const PartSharding& sharding_;
  std::size_t rank_;
  Keep keep_;
  comm::Communicator& communicator_;
  profile::Profile& profile_;
  device::Arena arena_;
  Buffers buffers_;
  std::vector<bool> present_;            // by part: gathered or being gathered
  std::vector<comm::Request> requests_;  // by part
};

}  // namespace isoflop::parallel
