// What a transport provides: bytes in, bytes out, started and finished apart. Callers use
// Communicator (communicator.hpp); this header is for those who write or make transports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <typeinfo>

namespace isoflop::comm {

/// One message to or from another rank. The memory belongs to the caller until the call is done.
struct Message {
  int peer;
  std::span<std::byte> data;  // read when sent, written when received
};

/// Which call of whose this is: what error messages name and what ranks compare.
struct Call {
  const char* name;                                 // "all_gather"
  const std::type_info* type = &typeid(std::byte);  // of an element
  int root = 0;
  const char* combine = "";  // of reductions: "sum"
  std::source_location place = std::source_location::current();
};

/// Communication under way. It belongs to whoever started it, who uses it again once it was given
/// back complete.
class Pending {
 public:
  /// Moves things on; true when this rank's part is complete. Never blocks.
  virtual bool done() = 0;
  /// Blocks until then. Throws Error once the deadline has passed.
  virtual void wait() = 0;
  /// The last call of its user.
  virtual void give_back() noexcept = 0;

 protected:
  ~Pending() = default;
};

struct GiveBack {
  void operator()(Pending* pending) const noexcept { pending->give_back(); }
};

/// Every start function may return null: complete already.
class Transport {
 public:
  using Start = std::unique_ptr<Pending, GiveBack>;

  virtual ~Transport() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual Start start_barrier(const Call& call) = 0;
  virtual Start start_broadcast(std::span<std::byte> data, const Call& call) = 0;
  /// all [size * mine.size()] gets every rank's bytes in rank order.
  virtual Start start_all_gather(std::span<const std::byte> mine, std::span<std::byte> all,
                                 const Call& call) = 0;
  /// Block r of `out` goes to rank r, block r of `in` comes from rank r; blocks of equal size.
  virtual Start start_all_to_all(std::span<const std::byte> out, std::span<std::byte> in,
                                 const Call& call) = 0;
  virtual Start start_exchange(std::span<const Message> sends, std::span<const Message> receives,
                               const Call& call) = 0;
  /// Reductions of the transport's library, which adds in an order of its own.
  /// values [n] = the sum over all ranks.
  virtual Start start_unordered_all_reduce(std::span<float> values, const Call& call) = 0;
  /// The first block of values [size * n] = the sum over all ranks of block `rank`; what the others
  /// hold afterwards is undefined.
  virtual Start start_unordered_reduce_scatter(std::span<float> values, const Call& call) = 0;
  /// Throws Error unless all ranks pass the same call, type, root, combination and `bytes`.
  virtual void check(std::size_t bytes, const Call& call) = 0;
  virtual std::unique_ptr<Transport> group(const std::string& name, int color) = 0;
  virtual void at_step(std::int64_t step) = 0;
  virtual void while_waiting(std::function<void()> action) = 0;
  virtual void abort(int exit_code) = 0;
};

}  // namespace isoflop::comm
