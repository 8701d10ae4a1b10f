// Collectives over the ranks of one group, the same front end for every transport.
//
// Every function is collective (all ranks of the communicator call it, in the same order) and
// blocks until this rank's part is done. Element counts are per rank and equal on all ranks unless
// said otherwise. A failing transport throws Error naming the call; a rank that cannot go on calls
// abort(), which ends all ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace isoflop::comm {

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
  /// Piece r of `send` goes to rank r; `receive` gets the pieces from ranks 0, 1, ... one behind
  /// the other.
  virtual void all_to_all(std::span<const std::byte> send, std::span<const std::size_t> send_bytes,
                          std::span<std::byte> receive,
                          std::span<const std::size_t> receive_bytes) = 0;
  virtual std::int64_t maximum(std::int64_t value) = 0;
  [[noreturn]] virtual void abort(int exit_code) = 0;
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

  /// send_counts[r] values go to rank r, receive_counts[r] come from rank r (elements).
  template <class T>
  void all_to_all(std::span<const T> send, std::span<const std::size_t> send_counts,
                  std::span<T> receive, std::span<const std::size_t> receive_counts) {
    static_assert(std::is_trivially_copyable_v<T>);
    transport_->all_to_all(std::as_bytes(send), in_bytes<T>(send_counts),
                           std::as_writable_bytes(receive), in_bytes<T>(receive_counts));
  }

  /// The largest value of any rank: stop flags, "did anybody fail".
  std::int64_t maximum(std::int64_t value) { return transport_->maximum(value); }

  /// Ends all ranks with this exit code. Not collective.
  [[noreturn]] void abort(int exit_code) { transport_->abort(exit_code); }

  Transport& transport() { return *transport_; }

 private:
  template <class T>
  static std::vector<std::size_t> in_bytes(std::span<const std::size_t> counts) {
    std::vector<std::size_t> bytes(counts.begin(), counts.end());
    for (std::size_t& count : bytes) count *= sizeof(T);
    return bytes;
  }

  std::unique_ptr<Transport> transport_;
};

}  // namespace isoflop::comm
