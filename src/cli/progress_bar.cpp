#include "cli/progress_bar.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace isoflop::cli {
namespace {

constexpr int kWidth = 30;
constexpr double kTerminalPause = 0.1, kPlainPause = 5.0;  // seconds between lines

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

ProgressBar::ProgressBar() : terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() { end_line(); }

void ProgressBar::end_line() {
  if (open_line_) std::fputc('\n', stderr);
  open_line_ = false;
}

void ProgressBar::update(const std::string& stage, std::int64_t done, std::int64_t total) {
  const Clock::time_point now = Clock::now();
  const bool starts = stage != stage_;
  if (starts) {
    end_line();
    stage_ = stage;
    started_ = now;
    shown_ = now;
  }
  const bool due = seconds(now - shown_) >= (terminal_ ? kTerminalPause : kPlainPause);
  const bool closes_line = open_line_ && done >= total;
  if (!due && !closes_line && !(starts && terminal_)) return;
  shown_ = now;
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1.0;
  const double elapsed = seconds(now - started_);
  const double rate = elapsed > 0 ? static_cast<double>(done) / elapsed : 0.0;
  const double left = rate > 0 ? static_cast<double>(total - done) / rate : 0.0;
  const int filled = static_cast<int>(std::clamp(share, 0.0, 1.0) * kWidth);
  const std::string bar =
      terminal_
          ? fmt::format("\r[{:<{}}] ", std::string(static_cast<std::size_t>(filled), '#'), kWidth)
          : std::string();
  const std::string figures = fmt::format("{} {:.0f} of {:.0f} MB, {:.1f} MB/s, {:.0f} s left",
                                          stage, static_cast<double>(done) / 1e6,
                                          static_cast<double>(total) / 1e6, rate / 1e6, left);
  fmt::print(stderr, "{}{}{}", bar, figures, terminal_ ? "\x1b[K" : "\n");
  open_line_ = terminal_;
  std::fflush(stderr);
}

}  // namespace isoflop::cli
