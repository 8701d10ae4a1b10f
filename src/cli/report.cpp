#include "cli/report.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "core/text.hpp"

namespace isoflop::cli {

void report_error(const std::string& message) {
  fmt::print(stderr, "isoflop: {}\n", one_line(message));
}

}  // namespace isoflop::cli
