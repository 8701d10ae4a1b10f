#include "core/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace isoflop {

std::string clock_time(double seconds) {
  const auto s = static_cast<std::int64_t>(std::ceil(std::max(0.0, seconds)));
  return s < 3600 ? fmt::format("{}:{:02}", s / 60, s % 60)
                  : fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

std::string short_count(double count) {
  static constexpr const char* kSuffix[] = {"", "K", "M", "B", "T"};
  std::size_t k = 0;
  while (k < 4 && count >= 999.5) {
    count /= 1000;
    ++k;
  }
  return count < 9999.5 ? fmt::format("{:.3g}{}", count, kSuffix[k])
                        : fmt::format("{:.3e}{}", count, kSuffix[k]);
}

std::string shell_word(const std::string& text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
  std::string quoted = "'";
  for (const char letter : text) quoted += letter == '\'' ? "'\\''" : std::string(1, letter);
  return quoted + "'";
}

std::string one_line(const std::string& text) {
  constexpr std::string_view kNamed = "\t\n\r", kNames = "tnr";
  std::string line;
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (const std::size_t named = kNamed.find(letter); named != kNamed.npos)
      line += {'\\', kNames[named]};
    else if (code < ' ' || code == 0x7f)
      line += fmt::format("\\x{:02x}", code);
    else
      line += letter;
  }
  return line;
}

}  // namespace isoflop
