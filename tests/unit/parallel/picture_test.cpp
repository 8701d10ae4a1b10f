#include "parallel/pipeline/picture.hpp"

#include <gtest/gtest.h>

namespace isoflop::parallel {
namespace {

Timeline timeline_of(const PipelineShape& shape, const PassTimes& times = {}) {
  return simulate(make_schedule(shape), equal_stages(shape, times, 0.0));
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++found;
  return found;
}

TEST(Picture, TextHasAColumnForEachTimeUnit) {
  const PipelineShape shape{ScheduleKind::one_forward_one_backward, 2, 3, 1};
  EXPECT_EQ(draw_text(shape, timeline_of(shape)),
            "rank 0 | F0 F1 .  .  B0 B0 F2 B1 B1 .  B2 B2\n"
            "rank 1 | .  F0 B0 B0 F1 B1 B1 F2 B2 B2 .  .\n");
}

TEST(Picture, TextNamesSplitPassesAndChunks) {
  const PipelineShape split{ScheduleKind::zero_bubble, 2, 2, 1};
  EXPECT_EQ(draw_text(split, timeline_of(split)),
            "rank 0 | F0 F1 .  I0 W0 I1 W1\n"
            "rank 1 | .  F0 I0 F1 I1 W0 W1\n");
  const PipelineShape chunks{ScheduleKind::interleaved, 1, 1, 2};
  EXPECT_EQ(draw_text(chunks, timeline_of(chunks)), "rank 0 | F0a F0b B0b B0b B0a B0a\n");
}

TEST(Picture, SvgHasABoxForEachPass) {
  const PipelineShape shape{ScheduleKind::zero_bubble, 4, 8, 1};
  const std::string svg = draw_svg(shape, timeline_of(shape));
  EXPECT_EQ(count(svg, "<svg "), 1u);
  EXPECT_EQ(count(svg, "<title>"), 3u * 4 * 8);
  EXPECT_EQ(count(svg, "<title>backward-weight of micro-batch 7, chunk 0</title>"), 4u);
  EXPECT_EQ(count(svg, "zero-bubble: 4 ranks, 8 micro-batches, bubble 11.1%"), 1u);
}

TEST(Picture, SvgOfALongScheduleStaysWithinAPage) {
  const PipelineShape shape{ScheduleKind::gpipe, 16, 1000, 1};
  const std::string svg = draw_svg(shape, timeline_of(shape));
  const double width = std::stod(svg.substr(svg.find("width=\"") + 7));
  EXPECT_LT(width, 3000.0);
}

TEST(Picture, TheWidthOfATextIsKnownWithoutDrawing) {
  const PipelineShape shape{ScheduleKind::one_forward_one_backward, 2, 3, 1};
  EXPECT_EQ(text_width(shape, timeline_of(shape)),
            static_cast<double>(draw_text(shape, timeline_of(shape)).find('\n')));
  const PipelineShape split{ScheduleKind::zero_bubble, 4, 8, 1};
  const PassTimes times{.forward = 1, .backward_input = 1, .backward_weight = 1e-12};
  const Timeline fine = simulate(make_schedule(split), equal_stages(split, times, 0));
  EXPECT_GT(text_width(split, fine), 1e12);
}

}  // namespace
}  // namespace isoflop::parallel
