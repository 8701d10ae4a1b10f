#include "core/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "core/launcher.hpp"

namespace isoflop {

bool can_redraw(int descriptor) {
  const char* named = std::getenv("TERM");
  const std::string_view terminal = named == nullptr ? "" : named;
  return isatty(descriptor) == 1 && !terminal.empty() && terminal != "dumb" &&
         !started_by_launcher();
}

TerminalSize terminal_size(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0) size = {};
  return {size.ws_col > 0 ? std::size_t{size.ws_col} : 80,
          size.ws_row > 0 ? std::size_t{size.ws_row} : 24};
}

std::string cut_to_columns(const std::string& line, std::size_t columns) {
  if (line.size() < columns) return line;
  std::size_t length = columns > 0 ? columns - 1 : 0;
  const auto continues = [&](std::size_t at) { return (line[at] & 0xC0) == 0x80; };
  while (length > 0 && continues(length)) --length;  // never within a character
  return line.substr(0, length);
}

}  // namespace isoflop
