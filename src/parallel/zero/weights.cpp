#include "parallel/zero/weights.hpp"

#include "core/bf16.hpp"

namespace isoflop::parallel {

// A rank alone has all shards: nothing is gathered, whatever is asked for.
template <class T>
typename Weights<T>::Buffers Weights<T>::lay_out(device::Arena& arena, const PartSharding& sharding,
                                                 Keep keep) {
  Buffers buffers;
  const bool whole = keep != Keep::shards || sharding.ranks() == 1;
  buffers.all = arena.take<T>(whole ? sharding.padded_size() : sharding.local_size());
  for (std::size_t part = 0; part < sharding.parts(); ++part) {
    if (whole) {
      buffers.parts.push_back(buffers.all + sharding.padded_begin(part));
    } else if (sharding.is_block(part)) {
      buffers.parts.push_back(nullptr);
    } else {
      buffers.parts.push_back(arena.take<T>(sharding.padded(part)));
    }
  }
  if (!whole)
    buffers.slots = {arena.take<T>(sharding.largest_block()),
                     arena.take<T>(sharding.second_block())};
  return buffers;
}

template <class T>
std::size_t Weights<T>::memory_bytes(const PartSharding& sharding, Keep keep) {
  device::Arena counting;
  lay_out(counting, sharding, keep);
  return counting.used();
}

template <class T>
Weights<T>::Weights(const PartSharding& sharding, std::size_t rank, Keep keep,
                    comm::Communicator& communicator, profile::Profile& profile)
    : sharding_(sharding),
      rank_(rank),
      keep_(keep),
      communicator_(communicator),
      profile_(profile),
      arena_(memory_bytes(sharding, keep)),
      buffers_(lay_out(arena_, sharding, keep)),
      present_(sharding.parts(), false),
      requests_(sharding.parts()) {}

template <class T>
T* Weights<T>::own(std::size_t part) {
  requests_[part].wait();
  if (keep_ == Keep::replicas) return buffers_.parts[part];
  if (keep_ == Keep::shards && sharding_.ranks() > 1)
    return buffers_.all + sharding_.local_begin(part);
  return buffers_.parts[part] + rank_ * sharding_.shard(part);
}

template <class T>
void Weights<T>::updated(std::size_t part) {
  present_[part] = false;
  if (keep_ == Keep::gathered && sharding_.ranks() > 1) start(part);
}

// Gathers a part into its place.
template <class T>
void Weights<T>::start(std::size_t part) {
  if (in_slot(part)) {  // whoever was there is gone
    for (std::size_t other = 0; other < sharding_.parts(); ++other) {
      if (!in_slot(other) || slot_of(other) != slot_of(part)) continue;
      requests_[other].wait();
      present_[other] = false;
    }
  }
  present_[part] = true;
  T* place = in_slot(part) ? buffers_.slots[slot_of(part)] : buffers_.parts[part];
  requests_[part] = communicator_.start_all_gather<T>({own(part), sharding_.shard(part)},
                                                      {place, sharding_.padded(part)});
}

// Whole parts are there, or come when they are updated.
template <class T>
void Weights<T>::ensure(std::size_t part) {
  if (keep_ == Keep::shards && sharding_.ranks() > 1 && !present_[part]) start(part);
}

template <class T>
void Weights<T>::prefetch(std::size_t part, Direction direction) {
  ensure(part);
  const bool forward = direction == Direction::forward;
  if (part != (forward ? sharding_.parts() - 1 : 0)) ensure(forward ? part + 1 : part - 1);
}

template <class T>
const T* Weights<T>::full(std::size_t part) {
  ensure(part);
  if (!requests_[part].done()) {
    const profile::Scope scope(profile_, profile::Region::wait);
    requests_[part].wait();
  }
  requests_[part].wait();  // complete: the next call may use it again
  return in_slot(part) ? buffers_.slots[slot_of(part)] : buffers_.parts[part];
}

template <class T>
void Weights<T>::advance() {
  for (comm::Request& request : requests_) request.done();
}

template class Weights<float>;
template class Weights<bf16>;

}  // namespace isoflop::parallel
