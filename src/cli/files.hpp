// Files named on the command line.
#pragma once

#include <string>

namespace isoflop::cli {

/// The whole file; InputError when it cannot be read, because the user named it.
std::string read_named_file(const std::string& path);

/// What a command prints: `table` on stdout, and `json`, an object, in the file that --json names,
/// stamped with the program's version. "-" puts the
/// JSON alone on stdout, so that it can be piped; an empty path writes none.
void print_result(const std::string& table, const std::string& json, const std::string& json_path);

}  // namespace isoflop::cli
