// Where lines may be drawn anew, how much a terminal shows, and lines that it does not wrap: what
// is drawn anew must take the rows it seems to.
#pragma once

#include <cstddef>
#include <string>

namespace isoflop {

/// Whether what was printed to `descriptor` can be drawn over: it is a terminal that obeys escapes
/// (TERM), and no launcher started the process. mpirun gives its ranks terminals of its own, whose
/// output may go to a log.
bool can_redraw(int descriptor);

struct TerminalSize {
  std::size_t columns;
  std::size_t rows;
};

/// Of the terminal behind `descriptor`; 80 x 24 where it does not say.
TerminalSize terminal_size(int descriptor);

/// The beginning of `line` (UTF-8) that fits in a row of so many columns with the last one left
/// free: terminals differ in where the next character goes after that. A byte counts as a column.
std::string cut_to_columns(const std::string& line, std::size_t columns);

}  // namespace isoflop
