// Collectives and messages over the ranks of one group, the same front end for every transport.
//
// Collective: all ranks of the communicator call barrier, broadcast, all_gather, all_to_all,
// reduce_scatter, all_reduce, maximum and group, in the same order and with the same counts.
// send, receive and exchange concern the ranks they name. A start_ function returns at once and its
// Request completes the call (request.hpp); the function without start_ blocks until this rank's
// part is done.
//
// Reductions add in rank order (bf16 in float, rounded once): the same bits on every transport, but
// not on another number of ranks; parallel/zero has sums that are independent of that.
//
// Failures throw Error. A call that does not end before the deadline (comm::Options) names itself,
// its place, the step and the ranks that did not arrive. With Options::check_arguments (debug
// builds) collectives compare their arguments first and name who differs; a start_ function then
// waits until all ranks have started it. A message of another length than its receiver expects is
// always an error.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "comm/combine.hpp"
#include "comm/request.hpp"
#include "comm/transport.hpp"

namespace isoflop::comm {

class Communicator {
 public:
  using Place = std::source_location;

  explicit Communicator(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

  int rank() const { return transport_->rank(); }
  int size() const { return transport_->size(); }
  bool is_root() const { return rank() == 0; }

  /// The ranks that pass the same `color`, in the order they have here. `name` ("data") is for
  /// messages.
  Communicator group(const std::string& name, int color) {
    return Communicator(transport_->group(name, color));
  }

  /// What error messages call the present step, here and in all groups of the same world. Not
  /// collective.
  void at_step(std::int64_t step) { transport_->at_step(step); }

  /// `action` runs again and again while this rank waits, here or in any group of the same world;
  /// it must not block. Empty: nothing. Not collective.
  void while_waiting(std::function<void()> action) { transport_->while_waiting(std::move(action)); }

  void barrier(Place place = Place::current()) {
    const Call call{"barrier", 1, 0, place};
    transport_->check(0, call);
    Request(*transport_, transport_->start_barrier(call)).wait();
  }

  template <class T>
  Request start_broadcast(std::span<T> data, int root, Place place = Place::current()) {
    static_assert(std::is_trivially_copyable_v<T>);
    const Call call{"broadcast", sizeof(T), root, place};
    transport_->check(data.size_bytes(), call);
    return Request(*transport_, transport_->start_broadcast(std::as_writable_bytes(data), call));
  }
  template <class T>
  void broadcast(std::span<T> data, int root, Place place = Place::current()) {
    start_broadcast(data, root, place).wait();
  }

  /// all [size * mine.size()] = every rank's values in rank order. `mine` may be its own place in
  /// `all`.
  template <class T>
  Request start_all_gather(std::span<const T> mine, std::span<T> all,
                           Place place = Place::current()) {
    static_assert(std::is_trivially_copyable_v<T>);
    require_size("all_gather", all.size(), mine.size(), place);
    const Call call{"all_gather", sizeof(T), 0, place};
    transport_->check(mine.size_bytes(), call);
    return Request(*transport_, transport_->start_all_gather(std::as_bytes(mine),
                                                             std::as_writable_bytes(all), call));
  }
  template <class T>
  void all_gather(std::span<const T> mine, std::span<T> all, Place place = Place::current()) {
    start_all_gather(mine, all, place).wait();
  }

  /// Block r of `out` [size * n] goes to rank r; block r of `in` [size * n] comes from rank r. The
  /// two do not overlap.
  template <class T>
  Request start_all_to_all(std::span<const T> out, std::span<T> in,
                           Place place = Place::current()) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t count = out.size() / static_cast<std::size_t>(size());
    require_size("all_to_all", out.size(), count, place);
    require_size("all_to_all", in.size(), count, place);
    const Call call{"all_to_all", sizeof(T), 0, place};
    transport_->check(out.size_bytes(), call);
    const auto mine = static_cast<std::size_t>(rank()) * count;
    std::copy_n(out.data() + mine, count, in.data() + mine);
    return start_blocks(out.data(), in.data(), count, call, nullptr);
  }
  template <class T>
  void all_to_all(std::span<const T> out, std::span<T> in, Place place = Place::current()) {
    start_all_to_all(out, in, place).wait();
  }

  /// mine [n] = block `rank` of `values` [size * n], combined over all ranks. May lie in `values`.
  template <class T>
  Request start_reduce_scatter(std::span<const T> values, std::span<T> mine, Combine combine,
                               Place place = Place::current()) {
    require_size("reduce_scatter", values.size(), mine.size(), place);
    const Call call{"reduce_scatter", sizeof(T), 0, place};
    transport_->check(mine.size_bytes(), call);
    auto arrived = std::make_shared<std::vector<T>>(values.size());
    const T* own = values.data() + static_cast<std::size_t>(rank()) * mine.size();
    return start_blocks(values.data(), arrived->data(), mine.size(), call,
                        [arrived, own, mine, combine, rank = rank()] {
                          std::copy_n(
                              own, mine.size(),
                              arrived->data() + static_cast<std::size_t>(rank) * mine.size());
                          combine_blocks<T>(*arrived, mine, combine);
                        });
  }
  template <class T>
  void reduce_scatter(std::span<const T> values, std::span<T> mine, Combine combine,
                      Place place = Place::current()) {
    start_reduce_scatter(values, mine, combine, place).wait();
  }

  /// values [n] = combined over all ranks. Large ones are gathered inside wait().
  template <class T>
  Request start_all_reduce(std::span<T> values, Combine combine, Place place = Place::current());
  template <class T>
  void all_reduce(std::span<T> values, Combine combine, Place place = Place::current()) {
    start_all_reduce(values, combine, place).wait();
  }

  /// The largest value of any rank: stop flags, "did anybody fail".
  std::int64_t maximum(std::int64_t value, Place place = Place::current()) {
    all_reduce(std::span(&value, 1), Combine::maximum, place);
    return value;
  }

  /// Messages between pairs of ranks: every send meets the receive of the same pair that has the
  /// same position among that pair's messages. None goes to the rank itself.
  Request start_exchange(std::span<const Message> sends, std::span<const Message> receives,
                         Place place = Place::current()) {
    return Request(*transport_,
                   transport_->start_exchange(sends, receives, {"exchange", 1, 0, place}));
  }
  void exchange(std::span<const Message> sends, std::span<const Message> receives,
                Place place = Place::current()) {
    start_exchange(sends, receives, place).wait();
  }

  template <class T>
  Request start_send(std::span<const T> data, int peer, Place place = Place::current()) {
    const Message message{peer, writable(data)};
    return Request(*transport_,
                   transport_->start_exchange({&message, 1}, {}, {"send", sizeof(T), 0, place}));
  }
  template <class T>
  void send(std::span<const T> data, int peer, Place place = Place::current()) {
    start_send(data, peer, place).wait();
  }

  template <class T>
  Request start_receive(std::span<T> data, int peer, Place place = Place::current()) {
    const Message message{peer, std::as_writable_bytes(data)};
    return Request(*transport_,
                   transport_->start_exchange({}, {&message, 1}, {"receive", sizeof(T), 0, place}));
  }
  template <class T>
  void receive(std::span<T> data, int peer, Place place = Place::current()) {
    start_receive(data, peer, place).wait();
  }

  /// Ends all ranks with this exit code. Not collective.
  [[noreturn]] void abort(int exit_code) {
    transport_->abort(exit_code);
    std::abort();  // no transport comes back
  }

 private:
  // Up to here one gather is faster than a reduce-scatter and a gather.
  static constexpr std::size_t kSmallBytes = std::size_t{16} << 10;  // a rank

  // Messages are read-only where they are sent; Message has one type for both directions.
  template <class T>
  static std::span<std::byte> writable(std::span<const T> data) {
    return std::as_writable_bytes(std::span(const_cast<T*>(data.data()), data.size()));
  }

  void require_size(const char* call, std::size_t all, std::size_t each, const Place& place) const;

  // Block r of out to rank r, block r of in from rank r, for all other ranks.
  template <class T>
  Request start_blocks(const T* out, T* in, std::size_t count, const Call& call,
                       std::function<void()> finish) {
    std::vector<Message> sends, receives;
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank()) continue;
      const std::size_t at = static_cast<std::size_t>(peer) * count;
      sends.push_back({peer, writable(std::span(out + at, count))});
      receives.push_back({peer, std::as_writable_bytes(std::span(in + at, count))});
    }
    return Request(*transport_, transport_->start_exchange(sends, receives, call),
                   std::move(finish));
  }

  std::unique_ptr<Transport> transport_;
};

template <class T>
Request Communicator::start_all_reduce(std::span<T> values, Combine combine, Place place) {
  const auto ranks = static_cast<std::size_t>(size());
  const Call call{"all_reduce", sizeof(T), 0, place};
  transport_->check(values.size_bytes(), call);
  const bool small = values.size_bytes() <= kSmallBytes;
  // Equal blocks; what the last ones have too much is never looked at.
  const std::size_t count = small ? values.size() : (values.size() + ranks - 1) / ranks;
  auto blocks = std::make_shared<std::vector<T>>(ranks * count);
  if (small) {
    return Request(*transport_,
                   transport_->start_all_gather(std::as_bytes(values),
                                                std::as_writable_bytes(std::span(*blocks)), call),
                   [blocks, values, combine] { combine_blocks<T>(*blocks, values, combine); });
  }
  auto padded = std::make_shared<std::vector<T>>(ranks * count);
  std::copy(values.begin(), values.end(), padded->begin());
  const std::size_t at = static_cast<std::size_t>(rank()) * count;
  return start_blocks(
      padded->data(), blocks->data(), count, call, [=, transport = transport_.get()] {
        const std::span<T> all(*padded), mine = all.subspan(at, count);
        std::copy(mine.begin(), mine.end(), blocks->begin() + static_cast<std::ptrdiff_t>(at));
        combine_blocks<T>(*blocks, mine, combine);
        Request(*transport,
                transport->start_all_gather(std::as_bytes(mine), std::as_writable_bytes(all), call))
            .wait();
        std::copy_n(all.begin(), values.size(), values.begin());
      });
}

}  // namespace isoflop::comm
