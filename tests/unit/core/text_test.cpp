#include "core/text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>

namespace isoflop {
namespace {

TEST(Text, TimesAreClocks) {
  EXPECT_EQ(clock_time(64.2), "1:05");
  EXPECT_EQ(clock_time(7384), "2:03:04");
  EXPECT_EQ(clock_time(-1), "0:00");
}

// What the shell makes of it.
std::string echoed(const std::string& text) {
  // NOLINTNEXTLINE(bugprone-command-processor): it is what words are quoted for
  FILE* shell = ::popen(("printf %s " + shell_word(text)).c_str(), "r");
  std::string said;
  std::array<char, 64> part{};
  for (std::size_t count = 0; (count = std::fread(part.data(), 1, part.size(), shell)) > 0;)
    said.append(part.data(), count);
  EXPECT_EQ(::pclose(shell), 0);
  return said;
}

TEST(Text, AShellReadsEveryWordBack) {
  EXPECT_EQ(shell_word("results/run-1.5e6"), "results/run-1.5e6");
  for (const std::string text : {"", "my sweep/a", "it's", "$HOME; echo `x`", "a*\nb", "\xc3\xa9"})
    EXPECT_EQ(echoed(text), text);
}

TEST(Text, OneLineEscapesWhatIsNoCharacter) {
  EXPECT_EQ(one_line("a \"caf\xc3\xa9\" \\n"), "a \"caf\xc3\xa9\" \\n");
  EXPECT_EQ(one_line("1\n2\r\n\t3\x1b[2J\x7f"), "1\\n2\\r\\n\\t3\\x1b[2J\\x7f");
}

}  // namespace
}  // namespace isoflop
