#include "core/terminal.hpp"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

namespace isoflop {
namespace {

TEST(Terminal, TellsItsSize) {
  const winsize size{10, 33, 0, 0};
  int master = 0, terminal = 0;
  ASSERT_EQ(openpty(&master, &terminal, nullptr, nullptr, &size), 0);
  EXPECT_EQ(terminal_size(terminal).columns, 33u);
  EXPECT_EQ(terminal_size(terminal).rows, 10u);
  close(terminal);
  close(master);
}

TEST(Terminal, IsOfTheUsualSizeWhereNoneIs) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(terminal_size(ends[0]).columns, 80u);
  EXPECT_EQ(terminal_size(ends[0]).rows, 24u);
  close(ends[0]);
  close(ends[1]);
}

TEST(Terminal, CutsALineThatWouldWrap) {
  EXPECT_EQ(cut_to_columns("1234567", 8), "1234567");
  EXPECT_EQ(cut_to_columns("12345678", 8), "1234567");
  EXPECT_EQ(cut_to_columns("123456789", 8), "1234567");
  EXPECT_EQ(cut_to_columns("12345é", 8), "12345é");
  EXPECT_EQ(cut_to_columns("123456é8", 8), "123456");
  EXPECT_EQ(cut_to_columns("漢字", 2), "");
  EXPECT_EQ(cut_to_columns("1", 1), "");
}

}  // namespace
}  // namespace isoflop
