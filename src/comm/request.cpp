#include "comm/request.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <utility>

namespace isoflop::comm {

Request& Request::operator=(Request&& other) noexcept {
  if (this == &other) return *this;
  drop();
  transport_ = other.transport_;
  pending_ = std::move(other.pending_);
  return *this;
}

Request::~Request() { drop(); }

bool Request::done() { return !pending_ || pending_->done(); }

void Request::wait() {
  const Transport::Start pending = std::move(pending_);
  if (pending) pending->wait();
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
