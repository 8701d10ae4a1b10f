#include "core/svg.hpp"

#include <gtest/gtest.h>

#include "core/version.hpp"

namespace isoflop {
namespace {

TEST(Svg, IsAWholeFileWithEscapedWords) {
  SvgPicture picture(20, 10.5);
  picture.box({1, 2.255, 3, 4, "#123456", "a < b"});
  picture.words({.x = 1, .y = 2, .text = "R&D \"x\"", .anchor = SvgPicture::Anchor::end});
  const std::string text = picture.text();
  EXPECT_TRUE(text.starts_with("<!-- of isoflop " + std::string(version()) + " (")) << text;
  EXPECT_NE(text.find("viewBox=\"0 0 20 10.5\""), std::string::npos);
  EXPECT_NE(text.find("<rect x=\"1\" y=\"2.25\" width=\"3\" height=\"4\" fill=\"#123456\">"
                      "<title>a &lt; b</title></rect>"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("text-anchor=\"end\">R&amp;D &quot;x&quot;</text>"), std::string::npos);
  EXPECT_TRUE(text.ends_with("</svg>\n"));
}

}  // namespace
}  // namespace isoflop
