// Lines for people: events that stay, and on a terminal a block below them that is drawn anew.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace isoflop::experiment {

class Display {
 public:
  explicit Display(bool terminal) : terminal_(terminal) {}
  ~Display();
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;

  /// A line that stays.
  void say(const std::string& line);

  /// Replaces the block; off a terminal the lines just follow.
  void draw(const std::vector<std::string>& lines);

 private:
  void erase_block();

  bool terminal_;
  std::vector<std::string> block_;
};

}  // namespace isoflop::experiment
