// Files named on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <iosfwd>
#include <string>

namespace isoflop::cli {

/// The whole file; InputError when it cannot be read, because the user named it.
std::string read_named_file(const std::string& path);

/// An option that names a file to write. A place that cannot be written, a file that another
/// argument of the command names too, and one whose content does not begin as its new one would
/// (nobody means to replace text, data or a corpus by JSON) are refused before the work begins.
CLI::Option* add_output(CLI::App& command, const std::string& name, std::string& path,
                        const std::string& description, char begins = '{');

/// `text` in the file at `path`: replaced in one step where it is a file, written into where it is
/// a device or a pipe.
void write_output(const std::string& path, const std::string& text);

/// What a command prints: `table` on stdout, and `json`, an object, in the file that --json names,
/// stamped with the program's version. "-" puts the JSON alone on stdout, so that it can be piped;
/// an empty path writes none.
void print_result(const std::string& table, const std::string& json, const std::string& json_path);
/// The same for an object too long to hold as text: `write_members` writes all between its braces.
void print_result(const std::string& table, const std::function<void(std::ostream&)>& write_members,
                  const std::string& json_path);

}  // namespace isoflop::cli
