#include "experiment/local/display.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "core/terminal.hpp"

namespace isoflop::experiment {
namespace {

// As many lines as can be erased again: the cursor stands below them, and what has left the screen
// stays.
std::vector<std::string> that_fit(const std::vector<std::string>& lines, const TerminalSize& size) {
  const std::size_t rows = size.rows - 1;
  std::vector<std::string> shown;
  for (const std::string& line : lines) shown.push_back(cut_to_columns(line, size.columns));
  if (shown.size() <= rows || rows == 0) return shown;
  const std::size_t left_out = shown.size() - (rows - 1);
  shown.resize(rows - 1);
  shown.push_back(
      cut_to_columns(fmt::format("  and {} more that do not fit", left_out), size.columns));
  return shown;
}

}  // namespace

Display::Display(std::FILE* stream) : stream_(stream), terminal_(can_redraw(fileno(stream))) {}

Display::~Display() { std::fflush(stream_); }

void Display::erase_block() {
  if (!block_.empty()) fmt::print(stream_, "\033[{}A\033[J", block_.size());
}

void Display::say(const std::string& line) {
  erase_block();
  fmt::print(stream_, "{}\n", line);
  const std::vector<std::string> block = std::move(block_);
  block_.clear();
  if (!block.empty()) draw(block);
  std::fflush(stream_);
}

void Display::draw(const std::vector<std::string>& lines) {
  erase_block();
  const std::vector<std::string> shown =
      terminal_ ? that_fit(lines, terminal_size(fileno(stream_))) : lines;
  for (const std::string& line : shown) fmt::print(stream_, "{}\n", line);
  if (terminal_) block_ = shown;
  std::fflush(stream_);
}

}  // namespace isoflop::experiment
