#include "data/text_files.hpp"

#include <fnmatch.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.hpp"

namespace isoflop::data {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kWildcards = "*?[";

// A link that leads nowhere, or round in a circle, is nothing.
fs::file_type type_of(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  if (error.value() == ELOOP) return fs::file_type::not_found;
  if (type == fs::file_type::none) throw fs::filesystem_error("status", path, error);
  return type;
}

bool is_hidden(const fs::directory_entry& entry) {
  return entry.path().filename().string().front() == '.';
}

void add_files_below(const fs::path& folder, std::vector<fs::path>& files) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (is_hidden(entry)) continue;
    const fs::file_type type = type_of(entry.path());
    if (type == fs::file_type::regular) files.push_back(entry.path());
    if (type == fs::file_type::directory && !entry.is_symlink())
      add_files_below(entry.path(), files);
  }
}

/// Matches components[next..] below `base`.
void match(const fs::path& base, const std::vector<std::string>& components, std::size_t next,
           std::vector<fs::path>& files) {
  if (next == components.size()) {
    const fs::file_type type = type_of(base);
    if (type == fs::file_type::directory) add_files_below(base, files);
    if (type == fs::file_type::regular) files.push_back(base);
    return;
  }
  const std::string& component = components[next];
  if (component.find_first_of(kWildcards) == std::string::npos) {
    const fs::path path = base / component;
    if (type_of(path) != fs::file_type::not_found) match(path, components, next + 1, files);
    return;
  }
  const fs::path folder = base.empty() ? fs::path(".") : base;
  if (type_of(folder) != fs::file_type::directory) return;
  const bool any_depth = component == "**";
  if (any_depth) match(base, components, next + 1, files);
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path name = entry.path().filename();
    if (any_depth) {
      if (is_hidden(entry)) continue;
      const fs::file_type type = type_of(entry.path());
      if (type == fs::file_type::directory && !entry.is_symlink()) {
        match(base / name, components, next, files);
      } else if (next + 1 == components.size() && type == fs::file_type::regular) {
        files.push_back(base / name);
      }
    } else if (name == component || ::fnmatch(component.c_str(), name.c_str(), FNM_PERIOD) == 0) {
      match(base / name, components, next + 1, files);
    }
  }
}

}  // namespace

std::vector<fs::path> expand_glob(const std::string& pattern) {
  fs::path base;
  std::vector<std::string> components;
  for (const fs::path& component : fs::path(pattern)) {
    if (component == "/") {
      base = component;
    } else if (!component.empty()) {
      components.push_back(component);
    }
  }
  std::vector<fs::path> files;
  try {
    if (!components.empty() || !base.empty()) match(base, components, 0, files);
  } catch (const fs::filesystem_error& error) {
    throw InputError(fmt::format("{}: {}: {}; leave it out, or give yourself the right to read it",
                                 pattern, error.path1().string(), error.code().message()));
  }
  require(
      !files.empty(),
      "'{}' names no file; needed: a file, a folder or a pattern with * ? [..] or ** (in quotes)",
      pattern);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

struct TextReader::Handle {
  std::FILE* plain = nullptr;
  gzFile compressed = nullptr;

  ~Handle() {
    if (plain != nullptr) std::fclose(plain);
    if (compressed != nullptr) ::gzclose_r(compressed);
  }
};

TextReader::TextReader(const fs::path& path)
    : path_(path.string()), handle_(std::make_unique<Handle>()) {
  errno = 0;
  if (path.extension() == ".gz") {
    handle_->compressed = ::gzopen(path_.c_str(), "rb");
    if (handle_->compressed != nullptr) ::gzbuffer(handle_->compressed, 1 << 17);
  } else {
    handle_->plain = std::fopen(path_.c_str(), "rb");
  }
  require(handle_->plain != nullptr || handle_->compressed != nullptr, "{}: cannot be opened ({})",
          path_, std::strerror(errno));
}

TextReader::~TextReader() = default;

std::size_t TextReader::read(char* buffer, std::size_t size) {
  if (handle_->plain != nullptr) {
    const std::size_t count = std::fread(buffer, 1, size, handle_->plain);
    require(count == size || std::ferror(handle_->plain) == 0, "{}: cannot be read ({})", path_,
            std::strerror(errno));
    return count;
  }
  const int count = ::gzread(handle_->compressed, buffer, static_cast<unsigned>(size));
  int error = Z_OK;
  const char* reason = ::gzerror(handle_->compressed, &error);
  require(count >= 0 && (error == Z_OK || error == Z_STREAM_END),
          "{}: cannot be decompressed ({}); leave it out or repair it", path_, reason);
  return static_cast<std::size_t>(count);
}

bool Utf8Checker::accept(unsigned char byte) {
  if (missing_ > 0) {
    if (byte < low_ || byte > high_) return false;
    low_ = 0x80;
    high_ = 0xBF;
    --missing_;
    return true;
  }
  character_ = offset_;
  if (byte < 0x80) return true;
  if (byte < 0xC2 || byte > 0xF4) return false;
  missing_ = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  low_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
  high_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
  return true;
}

std::optional<std::int64_t> Utf8Checker::check(std::string_view piece) {
  for (std::size_t i = 0; i < piece.size();) {
    std::uint64_t eight = 0x80;
    if (missing_ == 0 && i + 8 <= piece.size()) std::memcpy(&eight, &piece[i], 8);
    if ((eight & 0x8080808080808080u) == 0) {  // eight ASCII characters
      i += 8;
      offset_ += 8;
      continue;
    }
    if (!accept(static_cast<unsigned char>(piece[i]))) return character_;
    ++i;
    ++offset_;
  }
  return std::nullopt;
}

std::optional<std::int64_t> Utf8Checker::finish() const {
  return missing_ > 0 ? std::optional(character_) : std::nullopt;
}

std::size_t utf8_prefix(std::string_view text) {
  std::size_t start = text.size();  // of the last character
  while (start > 0 && text.size() - start < 4) {
    --start;
    const auto byte = static_cast<unsigned char>(text[start]);
    if (byte < 0x80) return text.size();
    if (byte >= 0xC0) {
      const std::size_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
      return text.size() - start < length ? start : text.size();
    }
  }
  return text.size();
}

}  // namespace isoflop::data
