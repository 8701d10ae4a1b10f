#include "comm/alarm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stop_token>
#include <utility>

namespace isoflop::comm {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr double kTurn = 1;          // seconds; time in which the process was stopped counts once
constexpr double kGraceSeconds = 2;  // the launcher ends the others when the first rank has ended

void watch(const std::stop_token& stop, double seconds, const std::string& message, int exit_code) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  for (double waited = 0; waited < seconds; waited += kTurn) {
    stopped.wait_for(lock, stop, Seconds(std::min(seconds - waited, kTurn)), [] { return false; });
    if (stop.stop_requested()) return;
  }
  fmt::print(stderr, "isoflop: {}\n", message);
  std::this_thread::sleep_for(Seconds(kGraceSeconds));
  std::_Exit(exit_code);
}

}  // namespace

Alarm::Alarm(double seconds, std::string message, int exit_code)
    : thread_([seconds, message = std::move(message), exit_code](const std::stop_token& stop) {
        watch(stop, seconds, message, exit_code);
      }) {}

Alarm alarm_of_ranks(const std::string& call, double deadline_seconds) {
  return {deadline_seconds,
          fmt::format("{}: the deadline of {} s has passed (ISOFLOP_DEADLINE sets it); ranks that "
                      "do not say this have stopped, or never came",
                      call, deadline_seconds)};
}

}  // namespace isoflop::comm
