// Communication under way, owned: the buffers given to the call that started it are in use until it
// is complete.
//
//   Request request = communicator.start_all_gather<float>(mine, all);
//   ... compute ...              // request.done() now and then moves large messages on
//   request.wait();
//
// A request that is dropped waits; should that fail, all ranks end with the message, unless an
// exception is under way, which then is what they hear. It must not outlive its communicator. Ranks
// wait for the collectives of a communicator in the same order.
#pragma once

#include <utility>

#include "comm/transport.hpp"

namespace isoflop::comm {

class Request {
 public:
  Request() = default;
  Request(Transport& transport, Transport::Start pending)
      : transport_(&transport), pending_(std::move(pending)) {}
  Request(Request&& other) noexcept = default;
  Request& operator=(Request&& other) noexcept;
  ~Request();

  /// True when wait() would not block on others (it may still add up). Moves things on.
  bool done();

  /// Blocks until complete. Throws Error once the deadline has passed.
  void wait();

 private:
  void drop() noexcept;

  Transport* transport_ = nullptr;
  Transport::Start pending_;  // null: complete
};

}  // namespace isoflop::comm
