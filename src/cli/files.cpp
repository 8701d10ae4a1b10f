#include "cli/files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <system_error>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/version.hpp"

namespace isoflop::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStandardOutput = "-";

bool same_file(const std::string& a, const fs::path& b) {
  std::error_code error;
  return fs::equivalent(a, b, error) && !error;
}

bool is_named_elsewhere(const CLI::App& command, const CLI::Option& output, const fs::path& path) {
  return std::ranges::any_of(command.get_options(), [&](const CLI::Option* option) {
    return option != &output && std::ranges::any_of(option->results(), [&](const auto& argument) {
             return same_file(argument, path);
           });
  });
}

// A file is replaced by renaming, which needs the folder; anything else is opened.
const char* why_not_writable(const fs::path& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return "is a directory";
  const fs::path folder = path.parent_path().empty() ? "." : path.parent_path();
  const bool in_place = fs::exists(path, error) && !fs::is_regular_file(path, error);
  if (!in_place && fs::exists(folder, error) && !fs::is_directory(folder, error))
    return std::strerror(ENOTDIR);
  if (::access((in_place ? path : folder).c_str(), W_OK) == 0) return nullptr;
  return std::strerror(errno);
}

// An empty file may be a temporary one, made for this.
bool holds_something_else(const fs::path& path, char begins) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  const int first = std::ifstream(path, std::ios::binary).get();
  return first != std::ifstream::traits_type::eof() && first != begins;
}

// The beginning of an object that names the program that wrote it.
std::string stamp() {
  const nlohmann::ordered_json program{{"version", version()}, {"commit", commit()}};
  return fmt::format("{{\n  \"isoflop\": {},", program.dump());
}

// The object `json` with the program that wrote it as its first key.
std::string stamped(const std::string& json) {
  if (nlohmann::json::parse(json).contains("isoflop")) return json;
  return stamp() + json.substr(1);
}

// `path` where it stands for a file that is replaced, else nothing.
std::optional<fs::path> replaced_file(const std::string& path) {
  std::error_code error;
  fs::path target = fs::weakly_canonical(path, error);  // a link stays one
  if (error || (fs::exists(path) && !fs::is_regular_file(path))) return std::nullopt;
  return target;
}

void write_stream(const fs::path& path, const std::function<void(std::ostream&)>& write) {
  std::ofstream file(path, std::ios::binary);
  require(file.good(), "{}: cannot be written: {}", path.string(), std::strerror(errno));
  errno = 0;
  write(file);
  file << std::flush;
  if (!file.good()) throw_system_error(path, "write", errno);
}

}  // namespace

std::string read_named_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), "{}: cannot be read: {}", path, std::strerror(errno));
  std::error_code none;
  require(!fs::is_directory(path, none), "{}: is a directory, needed a file", path);
  std::ostringstream text;
  text << file.rdbuf();
  require(file.good() && text.good(), "{}: cannot be read: needed a file with content", path);
  return text.str();
}

CLI::Option* add_output(CLI::App& command, const std::string& name, std::string& path,
                        const std::string& description, char begins) {
  CLI::Option* option = command.add_option(name, path, description);
  option->check([&command, option, begins](const std::string& seen) -> std::string {
    if (seen == kStandardOutput) return "";
    if (const char* reason = why_not_writable(seen))
      return fmt::format("{}: cannot be written: {}; name another file", seen, reason);
    if (is_named_elsewhere(command, *option, seen))
      return seen + ": is read or written by this command already; name another file";
    if (holds_something_else(seen, begins))
      return seen + ": is there and holds something else; name another file, or remove it";
    return "";
  });
  return option;
}

void write_output(const std::string& path, const std::string& text) {
  if (const auto target = replaced_file(path))
    write_file_atomically(*target, text);
  else
    write_stream(path, [&](std::ostream& file) { file << text; });
}

void print_result(const std::string& table, const std::string& json, const std::string& json_path) {
  if (json_path == kStandardOutput) {
    fmt::print("{}", stamped(json));
    return;
  }
  if (!json_path.empty()) write_output(json_path, stamped(json));
  fmt::print("{}", table);
}

void print_result(const std::string& table, const std::function<void(std::ostream&)>& write_members,
                  const std::string& json_path) {
  const auto write = [&](std::ostream& out) {
    out << stamp();
    write_members(out);
    out << "}\n";
  };
  if (json_path == kStandardOutput) {
    write(std::cout);
    return;
  }
  if (const auto target = json_path.empty() ? std::nullopt : replaced_file(json_path))
    replace_file(*target, [&](const fs::path& beside) { write_stream(beside, write); });
  else if (!json_path.empty())
    write_stream(json_path, write);
  fmt::print("{}", table);
}

}  // namespace isoflop::cli
