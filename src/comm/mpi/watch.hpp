// Watches over everything this process waits for: no wait is longer than the deadline, and when one
// is, the ranks tell each other where they are, so that the error can name those who did not
// arrive: of a collective the members that wait for something else or for nothing, of messages the
// ranks at their other ends.
//
// One watch serves a world and all its groups. The first rank whose deadline passes sends its state
// to all ranks over a channel of its own; every rank that is waiting sees that and sends its state
// as well. Who sends none within a grace period is not waiting: he computes, sleeps or is gone.
// Afterwards every wait of this world fails at once, and MPI moves nothing on: who gave up has
// freed his buffers. Time in which this process was stopped (a suspended job) hardly counts. While
// an exception unwinds, a wait ends after the grace period: the others may need this rank to go on.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comm/mpi/handles.hpp"

namespace isoflop::comm {

/// What a rank waits for.
struct Waiting {
  const std::string& group;
  std::int64_t group_number;
  std::span<const int> ranks;  // of the world: of a collective all members, of messages the other
                               // rank of each request
  const char* call;
  std::source_location place;
  std::int64_t sequence;  // of this collective in its group; 0: messages, which have no order
};

/// "train/trainer.cpp:12".
std::string text_of(const std::source_location& place);

/// What fits of a text that ranks tell each other. What lies behind its end stays as it is.
template <std::size_t size>
void copy_text(char (&to)[size], std::string_view from) {
  to[from.copy(to, size - 1)] = '\0';
}

class Watch {
 public:
  /// Collective over `world`.
  Watch(MPI_Comm world, double deadline_seconds);

  void at_step(std::int64_t step) { step_ = step; }

  /// The highest number that this process has given a group.
  std::int64_t newest_group() const { return newest_group_; }
  void newest_group(std::int64_t number) { newest_group_ = number; }

  /// What to do again and again while this rank waits; nothing while that itself waits.
  void while_waiting(std::function<void()> action) { action_ = std::move(action); }

  /// Whether a wait has failed.
  bool failed() const { return failed_; }

  /// Until all requests are complete. Throws Error when the deadline passes.
  void wait(std::span<MPI_Request> requests, std::span<MPI_Status> statuses,
            const Waiting& waiting);

 private:
  // What ranks tell each other.
  struct State {
    std::int64_t sequence;
    std::int64_t step;
    std::int64_t group_number;
    int waits_for;  // a rank; kAll in a collective
    char group[24];
    char call[32];
    char place[80];
    bool known;
  };

  static constexpr int kAll = -1;

  void act();
  bool alarmed();
  [[noreturn]] void give_up(std::span<MPI_Request> requests, const Waiting& waiting);
  State state_of(const Waiting& waiting, int waits_for) const;
  std::vector<State> gather_states(const State& mine);
  static bool has_arrived(const State& state, const Waiting& waiting);
  static std::string missing(int rank, const State& state);

  CommHandle channel_;
  double deadline_seconds_;
  std::int64_t step_ = 0;
  std::int64_t newest_group_ = 0;
  bool failed_ = false;
  std::function<void()> action_;    // null while it runs
  State sent_{};                    // stays valid while it is sent
  std::vector<MPI_Request> sends_;  // to ranks that may never receive
};

/// True when all requests are complete, or when one of them is and its message was longer than its
/// place: is_truncated() of its status says so, and that of a request under way has the error
/// MPI_ERR_PENDING. Never blocks.
bool all_done(std::span<MPI_Request> requests, std::span<MPI_Status> statuses, const char* call);

}  // namespace isoflop::comm
