#include "cli/progress_bar.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/terminal.hpp"

namespace isoflop::cli {
namespace {

constexpr std::size_t kLongest = 30, kShortest = 5;        // bars
constexpr double kTerminalPause = 0.1, kPlainPause = 5.0;  // seconds between lines

double seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

// "[###   ] " beside `others` columns of text; nothing where too little is left for one.
std::string bar(double share, std::size_t columns, std::size_t others) {
  constexpr std::size_t kAround = 4;  // brackets, a space, and the column that stays free
  if (columns < others + kAround + kShortest) return "";
  const std::size_t length = std::min(kLongest, columns - others - kAround);
  const auto filled =
      static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(length));
  return fmt::format("[{:<{}}] ", std::string(filled, '#'), length);
}

}  // namespace

ProgressBar::ProgressBar() : terminal_(can_redraw(STDERR_FILENO)) {}

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
  const std::string figures = fmt::format("{} {:.0f} of {:.0f} MB, {:.1f} MB/s, {:.0f} s left",
                                          stage, static_cast<double>(done) / 1e6,
                                          static_cast<double>(total) / 1e6, rate / 1e6, left);
  if (terminal_) {
    const std::size_t columns = terminal_size(STDERR_FILENO).columns;
    fmt::print(stderr, "\r{}\x1b[K",
               cut_to_columns(bar(share, columns, figures.size()) + figures, columns));
  } else {
    fmt::print(stderr, "{}\n", figures);
  }
  open_line_ = terminal_;
  std::fflush(stderr);
}

}  // namespace isoflop::cli
