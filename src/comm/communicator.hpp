// Collectives and messages over the ranks of one group, the same front end for every transport.
//
// Collective: all ranks of the communicator call barrier, broadcast, all_gather, all_to_all,
// reduce_scatter, all_reduce, maximum and group, in the same order and with the same counts.
// send, receive and exchange concern the ranks they name. A start_ function returns at once and its
// Request completes the call (request.hpp); the function without start_ blocks until this rank's
// part is done.
//
// Reductions add in rank order (bf16 in float, rounded once): the same bits on every transport, but
// not on another number of ranks; parallel/zero has sums that are independent of that. The
// unordered ones leave the order to the transport's library: their bits may differ in every call.
//
// Once the largest calls and the most at a time have been made, a call allocates nothing.
//
// Failures throw Error. A call that does not end before the deadline (comm::Options) names itself,
// its place, the step and the ranks that did not arrive. With Options::check_arguments (debug
// builds) collectives compare their arguments (call, bytes, type of an element, root, sum or
// maximum) first and name who differs; a start_ function then waits until all ranks have started
// it. A message of another length or, unless it is an exchange's, of another type of element than
// its receiver expects is always an error.
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
#include <typeinfo>
#include <utility>
#include <vector>

#include "comm/combine.hpp"
#include "comm/pool.hpp"
#include "comm/reduction.hpp"
#include "comm/request.hpp"
#include "comm/transport.hpp"

namespace isoflop::comm {

class Communicator {
 public:
  using Place = std::source_location;

  explicit Communicator(std::unique_ptr<Transport> transport)
      : transport_(std::move(transport)), reductions_(std::make_unique<Pool<Reduction>>()) {}

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
    const Call call{.name = "barrier", .place = place};
    transport_->check(0, call);
    Request(*transport_, transport_->start_barrier(call)).wait();
  }

  template <class T>
  Request start_broadcast(std::span<T> data, int root, Place place = Place::current()) {
    static_assert(std::is_trivially_copyable_v<T>);
    const Call call{.name = "broadcast", .type = &typeid(T), .root = root, .place = place};
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
    const Call call{.name = "all_gather", .type = &typeid(T), .place = place};
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
    const Call call{.name = "all_to_all", .type = &typeid(T), .place = place};
    transport_->check(out.size_bytes(), call);
    return Request(*transport_, transport_->start_all_to_all(std::as_bytes(out),
                                                             std::as_writable_bytes(in), call));
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
    const Call call{
        .name = "reduce_scatter", .type = &typeid(T), .combine = name_of(combine), .place = place};
    transport_->check(mine.size_bytes(), call);
    return start_reduction(
        [&](Reduction& reduction) { reduction.start_reduce_scatter(values, mine, combine, call); });
  }
  template <class T>
  void reduce_scatter(std::span<const T> values, std::span<T> mine, Combine combine,
                      Place place = Place::current()) {
    start_reduce_scatter(values, mine, combine, place).wait();
  }

  /// values [n] = combined over all ranks. Large ones are gathered inside wait().
  template <class T>
  Request start_all_reduce(std::span<T> values, Combine combine, Place place = Place::current()) {
    const Call call{
        .name = "all_reduce", .type = &typeid(T), .combine = name_of(combine), .place = place};
    transport_->check(values.size_bytes(), call);
    return start_reduction(
        [&](Reduction& reduction) { reduction.start_all_reduce(values, combine, call); });
  }
  template <class T>
  void all_reduce(std::span<T> values, Combine combine, Place place = Place::current()) {
    start_all_reduce(values, combine, place).wait();
  }

  /// values [n] = the sum over all ranks, added in an order of the transport's library.
  Request start_unordered_all_reduce(std::span<float> values, Place place = Place::current()) {
    const Call call{.name = "unordered_all_reduce", .type = &typeid(float), .place = place};
    transport_->check(values.size_bytes(), call);
    return Request(*transport_, transport_->start_unordered_all_reduce(values, call));
  }

  /// The first block of values [size * n] = the sum over all ranks of block `rank`, added likewise;
  /// what the others hold afterwards is undefined.
  Request start_unordered_reduce_scatter(std::span<float> values, Place place = Place::current()) {
    const Call call{.name = "unordered_reduce_scatter", .type = &typeid(float), .place = place};
    require_size(call.name, values.size(), values.size() / static_cast<std::size_t>(size()), place);
    transport_->check(values.size_bytes(), call);
    return Request(*transport_, transport_->start_unordered_reduce_scatter(values, call));
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
    return Request(*transport_, transport_->start_exchange(sends, receives,
                                                           {.name = "exchange", .place = place}));
  }
  void exchange(std::span<const Message> sends, std::span<const Message> receives,
                Place place = Place::current()) {
    start_exchange(sends, receives, place).wait();
  }

  template <class T>
  Request start_send(std::span<const T> data, int peer, Place place = Place::current()) {
    const Message message{peer, writable(data)};
    return Request(*transport_,
                   transport_->start_exchange(
                       {&message, 1}, {}, {.name = "send", .type = &typeid(T), .place = place}));
  }
  template <class T>
  void send(std::span<const T> data, int peer, Place place = Place::current()) {
    start_send(data, peer, place).wait();
  }

  template <class T>
  Request start_receive(std::span<T> data, int peer, Place place = Place::current()) {
    const Message message{peer, std::as_writable_bytes(data)};
    return Request(*transport_,
                   transport_->start_exchange(
                       {}, {&message, 1}, {.name = "receive", .type = &typeid(T), .place = place}));
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
  // Messages are read-only where they are sent; Message has one type for both directions.
  template <class T>
  static std::span<std::byte> writable(std::span<const T> data) {
    return std::as_writable_bytes(std::span(const_cast<T*>(data.data()), data.size()));
  }

  void require_size(const char* call, std::size_t all, std::size_t each, const Place& place) const;

  template <class Start>
  Request start_reduction(Start&& start) {
    Reduction& reduction = reductions_->take(*transport_, *reductions_);
    Transport::Start pending(&reduction);
    start(reduction);
    return Request(*transport_, std::move(pending));
  }

  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Pool<Reduction>> reductions_;
};

}  // namespace isoflop::comm
