// One call under way in MPI: its requests, and whether what came fits the call.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/mpi/watch.hpp"
#include "comm/options.hpp"
#include "comm/pool.hpp"
#include "comm/transport.hpp"

namespace isoflop::comm {

/// What a transport shares with the requests it starts.
struct Group {
  std::shared_ptr<Watch> watch;
  Options options;
  std::string name;
  std::int64_t number;       // no other group of any of its members has it
  std::vector<int> members;  // ranks of the world
};

class MpiPending final : public Pending {
 public:
  /// Takes room for the messages of most calls.
  MpiPending(const Group& group, Pool<MpiPending>& pool);

  /// `sequence` 0: messages.
  void begin(const Call& call, std::int64_t sequence);

  MPI_Request* add() { return &requests_.emplace_back(MPI_REQUEST_NULL); }

  MPI_Request* add_send(int peer) {
    peers_.push_back(group_.members[static_cast<std::size_t>(peer)]);
    return add();
  }

  /// Receives come first.
  MPI_Request* add_receive(int peer, std::size_t bytes) {
    expected_.push_back(bytes);
    return add_send(peer);
  }

  bool done() override;
  void wait() override;

  // What was given up may still be written to.
  void give_back() noexcept override {
    if (complete_) pool_.give_back(*this);
  }

 private:
  // MPI wants a status for every request or for none.
  void begin_test() {
    if (!expected_.empty()) statuses_.resize(requests_.size());
  }
  void finish();
  void require_fit(std::size_t receive) const;

  const Group& group_;
  Pool<MpiPending>& pool_;
  Call call_{""};
  std::int64_t sequence_ = 0;
  std::vector<MPI_Request> requests_;
  std::vector<MPI_Status> statuses_;
  std::vector<int> peers_;             // of messages, by request; ranks of the world
  std::vector<std::size_t> expected_;  // bytes, by receive
  bool complete_ = false;
};

}  // namespace isoflop::comm
