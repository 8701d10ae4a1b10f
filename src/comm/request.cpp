#include "comm/request.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <utility>

namespace isoflop::comm {

Request::Request(Transport& transport, std::unique_ptr<Pending> pending,
                 std::function<void()> finish)
    : transport_(&transport), pending_(std::move(pending)), finish_(std::move(finish)) {}

Request& Request::operator=(Request&& other) noexcept {
  if (this == &other) return *this;
  drop();
  transport_ = other.transport_;
  pending_ = std::move(other.pending_);
  finish_ = std::exchange(other.finish_, nullptr);
  return *this;
}

Request::~Request() { drop(); }

bool Request::done() { return !pending_ || pending_->done(); }

void Request::wait() {
  const auto pending = std::move(pending_);
  const auto finish = std::exchange(finish_, nullptr);  // never on what did not arrive
  if (pending) pending->wait();
  if (finish) finish();
}

// A destructor cannot throw, and going on while others read or write the buffers is worse than the
// end. While an error is on its way up, that one is to be told, and it ends all ranks.
void Request::drop() noexcept {
  try {
    wait();
  } catch (const std::exception& error) {
    if (std::uncaught_exceptions() > 0) return;
    fmt::print(stderr, "isoflop: a dropped request failed: {}\n", error.what());
    transport_->abort(1);
  }
}

}  // namespace isoflop::comm
