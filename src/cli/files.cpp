#include "cli/files.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/version.hpp"

namespace isoflop::cli {
namespace {

// The object `json` with the program that wrote it as its first key.
std::string stamped(const std::string& json) {
  if (nlohmann::json::parse(json).contains("isoflop")) return json;
  const nlohmann::ordered_json program{{"version", version()}, {"commit", commit()}};
  return fmt::format("{{\n  \"isoflop\": {},{}", program.dump(), json.substr(1));
}

}  // namespace

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
    fmt::print("{}", stamped(json));
    return;
  }
  if (!json_path.empty()) write_file_atomically(json_path, stamped(json));
  fmt::print("{}", table);
}

}  // namespace isoflop::cli
