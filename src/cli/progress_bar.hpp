// Progress of byte-counted work on stderr: one rewritten line on a terminal, elsewhere a plain
// line every few seconds, none for what takes less.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace isoflop::cli {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `done` of `total` bytes of `stage` are behind us; a new stage starts its own clock.
  void update(const std::string& stage, std::int64_t done, std::int64_t total);

 private:
  using Clock = std::chrono::steady_clock;

  void end_line();

  bool terminal_;
  bool open_line_ = false;
  std::string stage_;
  Clock::time_point started_, shown_;
};

}  // namespace isoflop::cli
