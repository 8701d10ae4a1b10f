#include "parallel/pipeline/picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "core/svg.hpp"
#include "parallel/pipeline/verify.hpp"

namespace isoflop::parallel {
namespace {

constexpr double kRowHeight = 26.0;  // pixels, as all that follows
constexpr double kRowGap = 4.0;
constexpr double kLeft = 64.0;
constexpr double kRight = 170.0;
constexpr double kTop = 66.0;
constexpr double kShortestPass = 22.0;
constexpr double kWidestChart = 2400.0;
constexpr double kNarrowestLabel = 9.0;  // a box below this has no room for its number
constexpr double kNarrowestPicture = 640.0;

struct Look {
  std::string_view word;
  char letter;
  std::string_view dark;   // of even chunks
  std::string_view light;  // of odd chunks
};

// Colours that differ for the colour-blind too, and in grey.
const Look& look_of(Pass pass) {
  static constexpr Look kForward{"forward", 'F', "#4c78a8", "#9ecae9"};
  static constexpr Look kBackward{"backward", 'B', "#d9822b", "#f7c98f"};
  static constexpr Look kInput{"backward, inputs", 'I', "#d9822b", "#f7c98f"};
  static constexpr Look kWeight{"backward, weights", 'W', "#3f8f5f", "#a3d9a5"};
  switch (pass) {
    case Pass::forward:
      return kForward;
    case Pass::backward:
      return kBackward;
    case Pass::backward_input:
      return kInput;
    case Pass::backward_weight:
      break;
  }
  return kWeight;
}

bool is_light(const Operation& operation) { return operation.chunk % 2 == 1; }

std::string_view fill_of(const Operation& operation) {
  const Look& look = look_of(operation.pass);
  return is_light(operation) ? look.light : look.dark;
}

double shortest_pass(const Timeline& timeline) {
  double shortest = timeline.makespan();
  for (const auto& spans : timeline.ranks)
    for (const Span& span : spans)
      if (span.end > span.begin) shortest = std::min(shortest, span.end - span.begin);
  return shortest;
}

std::string title_of(const PipelineShape& shape, const Timeline& timeline) {
  const std::string chunks =
      shape.chunks > 1 ? fmt::format(", {} stages a rank", shape.chunks) : std::string();
  return fmt::format("{}: {} ranks{}, {} micro-batches, bubble {:.1f}%", name_of(shape.kind),
                     shape.ranks, chunks, shape.micro_batches, 100.0 * timeline.bubble());
}

void draw_legend(const PipelineShape& shape, SvgPicture& picture) {
  const bool split = shape.kind == ScheduleKind::zero_bubble;
  double x = kLeft;
  const auto entry = [&](std::string_view fill, std::string_view word) {
    picture.box({x, 34.0, 14.0, 14.0, fill});
    picture.words({.x = x + 19.0, .y = 45.5, .text = word});
    x += 40.0 + 6.5 * static_cast<double>(word.size());
  };
  for (const Pass pass : {Pass::forward, split ? Pass::backward_input : Pass::backward})
    entry(look_of(pass).dark, look_of(pass).word);
  if (split) entry(look_of(Pass::backward_weight).dark, look_of(Pass::backward_weight).word);
  if (shape.chunks > 1) entry(look_of(Pass::forward).light, "odd chunks are light");
  entry("#eeeeee", "idle");
}

void draw_row(const PipelineShape& shape, const Timeline& timeline, std::size_t rank, double scale,
              SvgPicture& picture) {
  const double y = kTop + static_cast<double>(rank) * (kRowHeight + kRowGap);
  const double base = y + kRowHeight - 8.5;
  const double width = timeline.makespan() * scale;
  picture.words({.x = kLeft - 8.0,
                 .y = base,
                 .text = fmt::format("rank {}", rank),
                 .anchor = SvgPicture::Anchor::end});
  picture.box({kLeft, y, width, kRowHeight, "#eeeeee"});
  for (const Span& span : timeline.ranks[rank]) {
    const double x = kLeft + span.begin * scale;
    const double wide = (span.end - span.begin) * scale;
    const std::string title = describe(span.operation);
    picture.box({x + 0.5, y + 0.5, wide - 1.0, kRowHeight - 1.0, fill_of(span.operation), title});
    const std::string label = fmt::format("{}", span.operation.micro_batch);
    if (wide < kNarrowestLabel * static_cast<double>(label.size())) continue;
    picture.words({.x = x + wide / 2.0,
                   .y = base,
                   .text = label,
                   .fill = is_light(span.operation) ? "#222222" : "#ffffff",
                   .anchor = SvgPicture::Anchor::middle});
  }
  const std::string figures = fmt::format("idle {:.1f}%, {} in flight", 100.0 * timeline.idle(rank),
                                          most_in_flight(shape, rank));
  picture.words({.x = kLeft + width + 10.0, .y = base, .text = figures});
}

/// Of draw_text: time in units of the shortest pass, and characters of a pass.
double columns_of(const Timeline& timeline) {
  return std::ceil(timeline.makespan() / shortest_pass(timeline) - 1e-9);
}

std::size_t cell_width(const PipelineShape& shape) {
  return 1 + fmt::formatted_size("{}", shape.micro_batches - 1) + (shape.chunks > 1 ? 1 : 0);
}

}  // namespace

std::string draw_svg(const PipelineShape& shape, const Timeline& timeline) {
  const double makespan = timeline.makespan();
  const double scale = std::min(kShortestPass / shortest_pass(timeline), kWidestChart / makespan);
  const double width = std::max(kLeft + makespan * scale + kRight, kNarrowestPicture);
  const double height = kTop + static_cast<double>(shape.ranks) * (kRowHeight + kRowGap) + 8.0;
  SvgPicture picture(width, height);
  picture.words({.x = kLeft, .y = 22.0, .text = title_of(shape, timeline), .size = 15.0});
  draw_legend(shape, picture);
  for (std::size_t rank = 0; rank < shape.ranks; ++rank)
    draw_row(shape, timeline, rank, scale, picture);
  return picture.text();
}

double text_width(const PipelineShape& shape, const Timeline& timeline) {
  const auto rank_digits = static_cast<double>(fmt::formatted_size("{}", shape.ranks - 1));
  return 7 + rank_digits + columns_of(timeline) * static_cast<double>(1 + cell_width(shape));
}

std::string draw_text(const PipelineShape& shape, const Timeline& timeline) {
  const double unit = shortest_pass(timeline);
  const auto columns = static_cast<std::size_t>(columns_of(timeline));
  const std::size_t cell = cell_width(shape);
  const std::size_t rank_digits = fmt::formatted_size("{}", shape.ranks - 1);
  std::string text;
  for (std::size_t rank = 0; rank < shape.ranks; ++rank) {
    text += fmt::format("rank {:>{}} |", rank, rank_digits);
    const auto& spans = timeline.ranks[rank];
    std::size_t next = 0;
    for (std::size_t column = 0; column < columns; ++column) {
      const double middle = (static_cast<double>(column) + 0.5) * unit;
      while (next < spans.size() && spans[next].end <= middle) ++next;
      std::string label(1, '.');
      if (next < spans.size() && spans[next].begin <= middle) {
        const Operation& operation = spans[next].operation;
        label = fmt::format("{}{}", look_of(operation.pass).letter, operation.micro_batch);
        if (shape.chunks > 1) label += static_cast<char>('a' + operation.chunk);
      }
      text += fmt::format(" {:<{}}", label, cell);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace isoflop::parallel
