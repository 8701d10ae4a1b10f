// How a command says that it failed.
#pragma once

#include <string>

namespace isoflop::cli {

/// Prints `message` as one line on standard error, whatever the values in it hold.
void report_error(const std::string& message);

}  // namespace isoflop::cli
