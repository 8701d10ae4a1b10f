#include "core/atomic_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>

#include "core/error.hpp"
#include "core/file_descriptor.hpp"

namespace isoflop {

void throw_system_error(const std::filesystem::path& path, const char* operation, int error) {
  const std::string message =
      fmt::format("{}: {}: {}", path.string(), operation, std::strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    throw InputError(message + "; free some space or write elsewhere");
  if (error == EACCES || error == EPERM || error == EROFS)
    throw InputError(message + "; give yourself the right or choose another place");
  if (error == EMFILE) throw InputError(message + "; raise `ulimit -n`");
  if (error == ENOTDIR || error == EISDIR || error == ELOOP)
    throw InputError(message + "; name another place, or move away what is there");
  if (error == ENAMETOOLONG) throw InputError(message + "; choose a shorter one");
  throw Error(message);
}

namespace {

// Without dots. Processes of other machines share folders with those of this one, and numbers too.
const std::string& host() {
  static const std::string name = [] {
    std::array<char, HOST_NAME_MAX + 1> buffer{};
    if (gethostname(buffer.data(), buffer.size() - 1) != 0) buffer = {'?'};
    std::string text(buffer.data());
    std::replace(text.begin(), text.end(), '.', '-');
    return text;
  }();
  return name;
}

}  // namespace

std::filesystem::path path_beside(const std::filesystem::path& path) {
  std::filesystem::path beside = path;
  beside += fmt::format(".{}.{}.partial", host(), getpid());
  return beside;
}

void sync_path(const std::filesystem::path& path) { FileDescriptor(path, O_RDONLY).sync(); }

namespace {

std::filesystem::path folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  return folder.empty() ? "." : folder;
}

void sync_folder_of(const std::filesystem::path& path) { sync_path(folder_of(path)); }

void make_folder_durably(const std::filesystem::path& path, std::error_code& error) {
  if (std::filesystem::create_directory(path, error)) sync_name_of(path);
}

}  // namespace

void sync_name_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = folder_of(path);
  if (::access(folder.c_str(), R_OK) == 0) sync_path(folder);
}

void make_folders_durably(const std::filesystem::path& path, std::error_code& error) {
  std::error_code missing;
  error.clear();
  if (path.empty() || std::filesystem::is_directory(path, missing)) return;
  make_folders_durably(folder_of(path), error);
  if (!error && path.has_filename())
    make_folder_durably(path, error);  // else it ended with a slash
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_system_error(to, "rename", errno);
  sync_folder_of(to);
}

void exchange_durably(const std::filesystem::path& a, const std::filesystem::path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) {
    sync_folder_of(b);
    return;
  }
  if (errno != EINVAL && errno != ENOSYS) throw_system_error(b, "rename", errno);
  exchange_by_renames(a, b);
}

void exchange_by_renames(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::filesystem::path aside = b;
  aside += ".old";
  aside = path_beside(aside);  // `a` may have the name beside `b`
  rename_durably(b, aside);
  rename_durably(a, b);
  rename_durably(aside, a);
}

void replace_file(const std::filesystem::path& path,
                  const std::function<void(const std::filesystem::path&)>& write) {
  const std::filesystem::path beside = path_beside(path);
  try {
    write(beside);
    sync_path(beside);
    rename_durably(beside, path);
  } catch (...) {
    ::unlink(beside.c_str());
    throw;
  }
}

namespace {

// The process of this machine that path_beside() named; none for another name.
std::optional<pid_t> writer_of(const std::filesystem::path& path) {
  if (path.extension() != ".partial") return std::nullopt;
  const std::filesystem::path process = path.stem();
  const std::string digits = process.extension().string();
  pid_t writer = 0;
  const char* end = digits.data() + digits.size();
  if (digits.size() < 2 || process.stem().extension() != "." + host()) return std::nullopt;
  const auto read = std::from_chars(digits.data() + 1, end, writer);
  return read.ec == std::errc() && read.ptr == end ? std::optional(writer) : std::nullopt;
}

}  // namespace

bool is_left_behind(const std::filesystem::path& path) {
  const std::optional<pid_t> writer = writer_of(path);
  return writer && ::kill(*writer, 0) != 0 && errno == ESRCH;
}

void remove_partial_files(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (is_left_behind(entry.path()) && entry.is_regular_file()) ::unlink(entry.path().c_str());
  }
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  replace_file(path, [&](const std::filesystem::path& beside) {
    FileDescriptor file(beside, O_WRONLY | O_CREAT | O_TRUNC);
    file.write(std::as_bytes(std::span(content)), 0);
    file.close();
  });
}

std::string read_file(const std::filesystem::path& path) {
  const FileDescriptor file(path, O_RDONLY);
  std::string content(file.size(), '\0');
  file.read(std::as_writable_bytes(std::span(content)), 0);
  return content;
}

}  // namespace isoflop
