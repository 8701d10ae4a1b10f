#include "comm/mpi/watch.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <string_view>

#include "core/error.hpp"

namespace isoflop::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kAlarmTag = 1;
constexpr double kGraceSeconds = 2.0;
// Tests that find nothing before the processor is offered to others, and between looks at the
// clock and the channel.
constexpr std::uint64_t kSpins = 1000, kLook = 256;
constexpr double kLongestLook = 1.0;  // seconds between two looks that count

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The ranks at the other ends of messages that are not complete, in order and once each.
std::vector<int> incomplete(std::span<MPI_Request> requests, std::span<const int> peers) {
  std::vector<int> ranks;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    int done = 0;
    check_mpi(MPI_Request_get_status(requests[i], &done, MPI_STATUS_IGNORE),
              "MPI_Request_get_status");
    if (done == 0) ranks.push_back(peers[i]);
  }
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  return ranks;
}

}  // namespace

std::string text_of(const std::source_location& place) {
  std::string_view file = place.file_name();
  const std::size_t slash = file.rfind('/', file.rfind('/') - 1);  // the folder helps, the rest not
  if (slash != std::string_view::npos) file.remove_prefix(slash + 1);
  return fmt::format("{}:{}", file, place.line());
}

bool all_done(std::span<MPI_Request> requests, std::span<MPI_Status> statuses, const char* call) {
  int done = 0;
  const int code = MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                               statuses.empty() ? MPI_STATUSES_IGNORE : statuses.data());
  if (code != MPI_ERR_IN_STATUS || statuses.empty()) {
    check_mpi(code, call);
    return done != 0;
  }
  for (const MPI_Status& status : statuses)
    if (status.MPI_ERROR != MPI_ERR_PENDING && !is_truncated(status))
      check_mpi(status.MPI_ERROR, call);
  return true;
}

Watch::Watch(MPI_Comm world, double deadline_seconds)
    : channel_(duplicate(world)), deadline_seconds_(deadline_seconds) {}

void Watch::wait(std::span<MPI_Request> requests, std::span<MPI_Status> statuses,
                 const Waiting& waiting) {
  Clock::time_point looked = Clock::now();
  const bool unwinding = std::uncaught_exceptions() > 0;
  const double patience =
      unwinding ? std::min(kGraceSeconds, deadline_seconds_) : deadline_seconds_;
  double waited = 0.0;
  for (std::uint64_t spins = 1; failed_ || !all_done(requests, statuses, waiting.call); ++spins) {
    const bool look = spins > kSpins || spins % kLook == 0;  // beside a yield a look costs nothing
    if (look) waited += std::min(kLongestLook, since(std::exchange(looked, Clock::now())));
    const bool late = look && waited > patience;
    failed_ = failed_ || (late && unwinding);  // the others hear of the error that unwinds
    if (failed_)
      throw Error(fmt::format("{} at {}: not waited for, something failed before", waiting.call,
                              text_of(waiting.place)));
    if (late || (look && alarmed())) give_up(requests, waiting);
    act();
    if (spins > kSpins) sched_yield();
  }
}

void Watch::act() {
  if (!action_) return;
  auto action = std::exchange(action_, nullptr);
  action();
  action_ = std::move(action);
}

bool Watch::alarmed() {
  int here = 0;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kAlarmTag, channel_.get(), &here, MPI_STATUS_IGNORE),
            "MPI_Iprobe");
  return here != 0;
}

Watch::State Watch::state_of(const Waiting& waiting, int waits_for) const {
  State state{waiting.sequence, step_, waiting.group_number, waits_for, {}, {}, {}, true};
  copy_text(state.group, waiting.group);
  copy_text(state.call, waiting.call);
  copy_text(state.place, text_of(waiting.place));
  return state;
}

// Indexed by rank of the world; unknown where a rank did not answer in time.
std::vector<Watch::State> Watch::gather_states(const State& mine) {
  const int me = channel_.rank();
  std::vector<State> states(static_cast<std::size_t>(channel_.size()));
  states[static_cast<std::size_t>(me)] = sent_ = mine;
  for (int peer = 0; peer < channel_.size(); ++peer) {
    if (peer == me) continue;
    check_mpi(MPI_Isend(&sent_, sizeof(State), MPI_BYTE, peer, kAlarmTag, channel_.get(),
                        &sends_.emplace_back()),
              "MPI_Isend");
  }
  const Clock::time_point begin = Clock::now();
  for (std::size_t known = 1; known < states.size() && since(begin) < kGraceSeconds;) {
    MPI_Status status;
    int here = 0;
    check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kAlarmTag, channel_.get(), &here, &status), "MPI_Iprobe");
    if (here == 0) {
      sched_yield();
      continue;
    }
    State& state = states[static_cast<std::size_t>(status.MPI_SOURCE)];
    known += state.known ? 0 : 1;
    check_mpi(MPI_Recv(&state, sizeof(State), MPI_BYTE, status.MPI_SOURCE, kAlarmTag,
                       channel_.get(), MPI_STATUS_IGNORE),
              "MPI_Recv");
  }
  return states;
}

// A rank that has gone on to a later collective of the same group has been in this one. Whether it
// has done its part of a message only the message tells.
bool Watch::has_arrived(const State& state, const Waiting& waiting) {
  return state.known && waiting.sequence > 0 && state.group_number == waiting.group_number &&
         state.sequence >= waiting.sequence;
}

std::string Watch::missing(int rank, const State& state) {
  if (!state.known) return fmt::format("rank {} (no answer)", rank);
  return fmt::format("rank {} (waits in {} of group {} at {}, step {}{})", rank, state.call,
                     state.group, state.place, state.step,
                     state.waits_for == kAll ? "" : fmt::format(", for rank {}", state.waits_for));
}

void Watch::give_up(std::span<MPI_Request> requests, const Waiting& waiting) {
  failed_ = true;
  const std::vector<int> awaited =
      waiting.sequence > 0 ? std::vector<int>(waiting.ranks.begin(), waiting.ranks.end())
                           : incomplete(requests, waiting.ranks);
  const State mine =
      state_of(waiting, waiting.sequence > 0 || awaited.empty() ? kAll : awaited.front());
  const std::vector<State> states = gather_states(mine);
  std::vector<std::string> absent;
  for (const int rank : awaited) {
    const State& state = states[static_cast<std::size_t>(rank)];
    if (!has_arrived(state, waiting)) absent.push_back(missing(rank, state));
  }
  throw Error(fmt::format(
      "{} of group {} at {}, step {}, on rank {}: the deadline (ISOFLOP_DEADLINE) of {} s has "
      "passed; did not arrive: {}",
      mine.call, mine.group, mine.place, mine.step, channel_.rank(), deadline_seconds_,
      absent.empty() ? "nobody, all ranks are there" : fmt::format("{}", fmt::join(absent, ", "))));
}

}  // namespace isoflop::comm
