#include "cli/files.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop::cli {

std::string read_named_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), "{}: cannot be read: check that the file exists", path);
  std::ostringstream text;
  text << file.rdbuf();
  require(file.good() && text.good(), "{}: cannot be read: needed a file with content", path);
  return text.str();
}

void print_result(const std::string& table, const std::string& json, const std::string& json_path) {
  if (json_path == "-") {
    fmt::print("{}", json);
    return;
  }
  if (!json_path.empty()) write_file_atomically(json_path, json);
  fmt::print("{}", table);
}

}  // namespace isoflop::cli
