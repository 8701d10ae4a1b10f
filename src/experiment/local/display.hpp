// Lines for people: events that stay, and on a terminal a block below them that is drawn anew.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace isoflop::experiment {

class Display {
 public:
  /// `stream` must outlive it; a terminal is found out by itself.
  explicit Display(std::FILE* stream);
  ~Display();
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  /// A line that stays.
  void say(const std::string& line);

  /// Replaces the block; off a terminal the lines just follow.
  void draw(const std::vector<std::string>& lines);

  bool is_terminal() const { return terminal_; }

 private:
  void erase_block();

  std::FILE* stream_;
  bool terminal_;
  std::vector<std::string> block_;
};

}  // namespace isoflop::experiment
