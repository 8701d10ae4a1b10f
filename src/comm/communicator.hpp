// Collectives over the ranks of one group, the same front end for every transport.
//
// Every function is collective (all ranks of the communicator call it, in the same order) and
// blocks until this rank's part is done. Element counts are per rank and equal on all ranks unless
// said otherwise. A failing transport throws Error naming the call; a rank that cannot go on calls
// abort(), which ends all ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace isoflop::comm {

/// One message to or from another rank. The memory belongs to the caller until exchange() returns.
struct Message {
  int peer;
  std::span<std::byte> data;  // read when sent, written when received
};

/// What a transport provides: bytes in, bytes out. Callers use Communicator.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void barrier() = 0;
  virtual void broadcast(std::span<std::byte> data, int root) = 0;
  /// all [size * mine.size()] gets every rank's bytes in rank order.
  virtual void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) = 0;
  virtual void exchange(std::span<const Message> sends, std::span<const Message> receives) = 0;
  virtual std::int64_t maximum(std::int64_t value) = 0;
  virtual void abort(int exit_code) = 0;
};

class Communicator {
 public:
  explicit Communicator(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}

  int rank() const { return transport_->rank(); }
  int size() const { return transport_->size(); }
  bool is_root() const { return rank() == 0; }

  void barrier() { transport_->barrier(); }

  template <class T>
  void broadcast(std::span<T> data, int root) {
    static_assert(std::is_trivially_copyable_v<T>);
    transport_->broadcast(std::as_writable_bytes(data), root);
  }

  /// all [size * mine.size()] = every rank's values in rank order. `mine` may be its own place in
  /// `all`.
  template <class T>
  void all_gather(std::span<const T> mine, std::span<T> all) {
    static_assert(std::is_trivially_copyable_v<T>);
    transport_->all_gather(std::as_bytes(mine), std::as_writable_bytes(all));
  }

  /// Point-to-point messages between pairs of ranks: every send meets the receive of the same pair
  /// that has the same position among that pair's messages. None goes to the rank itself.
  void exchange(std::span<const Message> sends, std::span<const Message> receives) {
    transport_->exchange(sends, receives);
  }

  /// The largest value of any rank: stop flags, "did anybody fail".
  std::int64_t maximum(std::int64_t value) { return transport_->maximum(value); }

  /// Ends all ranks with this exit code. Not collective.
  [[noreturn]] void abort(int exit_code) {
    transport_->abort(exit_code);
    std::abort();  // no transport comes back
  }

 private:
  std::unique_ptr<Transport> transport_;
};

}  // namespace isoflop::comm
