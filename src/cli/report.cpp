#include "cli/report.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "core/text.hpp"

namespace isoflop::cli {

void report_error(const std::string& message) {
  const std::string line = fmt::format("isoflop: {}\n", one_line(message));
  std::fputs(line.c_str(), stderr);  // fmt::print throws where standard error is full
}

}  // namespace isoflop::cli
