// A small writer of SVG pictures, which name the program: boxes and words. Coordinates in pixels
// from the top left corner.
#pragma once

#include <string>
#include <string_view>

namespace isoflop {

class SvgPicture {
 public:
  SvgPicture(double width, double height);

  struct Box {
    double x, y, width, height;
    std::string_view fill;        // "#4c78a8"
    std::string_view title = {};  // shown when the mouse rests on the box
  };
  void box(const Box& box);

  enum class Anchor { start, middle, end };
  struct Words {
    double x, y;  // of the anchor, on the base line
    std::string_view text;
    double size = 12.0;  // font size
    std::string_view fill = "#222222";
    Anchor anchor = Anchor::start;
  };
  void words(const Words& words);

  /// The whole file.
  std::string text() const;

 private:
  std::string text_;
};

}  // namespace isoflop
