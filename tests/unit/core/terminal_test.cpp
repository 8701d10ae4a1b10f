#include "core/terminal.hpp"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <cstdlib>

namespace isoflop {
namespace {

class Redraw : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* variable :
         {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"})
      unsetenv(variable);
    setenv("TERM", "xterm", 1);
    ASSERT_EQ(openpty(&master_, &terminal_, nullptr, nullptr, nullptr), 0);
  }
  void TearDown() override {
    unsetenv("OMPI_COMM_WORLD_SIZE");
    close(terminal_);
    close(master_);
  }

  int master_ = 0, terminal_ = 0;
};

TEST_F(Redraw, ATerminalCan) { EXPECT_TRUE(can_redraw(terminal_)); }

TEST_F(Redraw, AFileCannot) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_FALSE(can_redraw(ends[1]));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(Redraw, ATerminalThatObeysNoEscapesCannot) {
  setenv("TERM", "dumb", 1);
  EXPECT_FALSE(can_redraw(terminal_));
  unsetenv("TERM");
  EXPECT_FALSE(can_redraw(terminal_));
}

TEST_F(Redraw, TheTerminalOfALaunchersRankCannot) {
  setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
  EXPECT_FALSE(can_redraw(terminal_));
}

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
