#include "core/svg.hpp"

#include <fmt/format.h>

#include "core/version.hpp"

namespace isoflop {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Two decimals are finer than any screen; shorter numbers make shorter files.
std::string number(double value) {
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

const char* name_of(SvgPicture::Anchor anchor) {
  switch (anchor) {
    case SvgPicture::Anchor::start:
      return "start";
    case SvgPicture::Anchor::middle:
      return "middle";
    case SvgPicture::Anchor::end:
      break;
  }
  return "end";
}

}  // namespace

SvgPicture::SvgPicture(double width, double height)
    : text_(fmt::format(
          "<!-- of isoflop {2} ({3}) -->\n"
          "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" "
          "height=\"{1}\" font-family=\"sans-serif\">\n"
          "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
          number(width), number(height), version(), commit())) {}

void SvgPicture::box(const Box& box) {
  text_ +=
      fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"", number(box.x),
                  number(box.y), number(box.width), number(box.height), box.fill);
  text_ +=
      box.title.empty() ? "/>\n" : fmt::format("><title>{}</title></rect>\n", escaped(box.title));
}

void SvgPicture::words(const Words& words) {
  text_ += fmt::format(
      "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{}\">{}</text>\n",
      number(words.x), number(words.y), number(words.size), words.fill, name_of(words.anchor),
      escaped(words.text));
}

std::string SvgPicture::text() const { return text_ + "</svg>\n"; }

}  // namespace isoflop
