// Input files: glob patterns, reading in pieces, UTF-8.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isoflop::data {

/// The regular files that a pattern names, sorted: * ? [..] match inside a path component, ** any
/// number of folders; a folder stands for all files below it. A name that holds such characters
/// matches itself too. Hidden entries (.git) only match a pattern that begins with a dot. Links to
/// folders are not followed below ** or a folder. Throws InputError when there is none.
std::vector<std::filesystem::path> expand_glob(const std::string& pattern);

/// Reads a file in pieces; *.gz is decompressed. Throws InputError when it cannot be read.
class TextReader {
 public:
  explicit TextReader(const std::filesystem::path& path);
  ~TextReader();
  TextReader(const TextReader&) = delete;
  TextReader& operator=(const TextReader&) = delete;

  /// Fills buffer[0, size) and returns the bytes read: less than `size` only at the end.
  std::size_t read(char* buffer, std::size_t size);

 private:
  struct Handle;
  std::string path_;
  std::unique_ptr<Handle> handle_;
};

/// Checks a text given in pieces (Unicode 15, table 3-7: no surrogates, no overlong forms).
class Utf8Checker {
 public:
  /// The offset in the whole text of the first byte of the first bad character, if there is one.
  std::optional<std::int64_t> check(std::string_view piece);

  /// The same for a text that ends here.
  std::optional<std::int64_t> finish() const;

 private:
  bool accept(unsigned char byte);

  std::int64_t offset_ = 0;                 // of the next byte
  std::int64_t character_ = 0;              // offset where the unfinished character began
  int missing_ = 0;                         // bytes until it is complete
  unsigned char low_ = 0x80, high_ = 0xBF;  // what the next byte of it may be
};

/// Length of the longest prefix that does not end inside a character.
std::size_t utf8_prefix(std::string_view text);

}  // namespace isoflop::data
