#include "core/stop_signal.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "core/error.hpp"

namespace isoflop {
namespace {

constexpr std::array kSignals = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
// A handler may run on another thread than the one that asks.
std::atomic<int> received_signal = 0, received_signals = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // else no handler may touch it
std::array<struct sigaction, kSignals.size()> previous;
struct sigaction previous_pipe;

// Fails for a wrong argument only.
void set(int signal, const struct sigaction* action, struct sigaction* before) {
  if (sigaction(signal, action, before) != 0)
    throw Error(fmt::format("signal {}: sigaction: {}", signal, std::strerror(errno)));
}

extern "C" void remember_signal(int signal) {
  received_signal = signal;
  ++received_signals;
}

}  // namespace

StopSignal::StopSignal() {
  received_signal = 0;
  received_signals = 0;
  struct sigaction ignored{};
  ignored.sa_handler = SIG_IGN;
  set(SIGPIPE, &ignored, &previous_pipe);
  struct sigaction action{};
  action.sa_handler = remember_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    set(kSignals[i], nullptr, &previous[i]);
    const bool is_of_nohup = kSignals[i] == SIGHUP && previous[i].sa_handler == SIG_IGN;
    if (!is_of_nohup) set(kSignals[i], &action, nullptr);
  }
}

StopSignal::~StopSignal() {
  sigaction(SIGPIPE, &previous_pipe, nullptr);
  for (std::size_t i = 0; i < kSignals.size(); ++i)
    if (sigaction(kSignals[i], &previous[i], nullptr) != 0)
      std::fprintf(stderr, "signal %d: sigaction: %s\n", kSignals[i], std::strerror(errno));
}

int StopSignal::received() const { return received_signal; }
int StopSignal::count() const { return received_signals; }

}  // namespace isoflop
