#include "experiment/local/display.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

namespace isoflop::experiment {
namespace {

// A line that wraps would be two when the block is erased.
std::size_t terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

Display::~Display() { std::fflush(stdout); }

void Display::erase_block() {
  if (!block_.empty()) fmt::print("\033[{}A\033[J", block_.size());
}

void Display::say(const std::string& line) {
  erase_block();
  fmt::print("{}\n", line);
  const std::vector<std::string> block = std::move(block_);
  block_.clear();
  if (!block.empty()) draw(block);
  std::fflush(stdout);
}

void Display::draw(const std::vector<std::string>& lines) {
  erase_block();
  const std::size_t columns = terminal_ ? terminal_columns() : std::string::npos;
  for (const std::string& line : lines) fmt::print("{}\n", line.substr(0, columns));
  if (terminal_) block_ = lines;
  std::fflush(stdout);
}

}  // namespace isoflop::experiment
