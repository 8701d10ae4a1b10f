// A timeline drawn: as an SVG picture and as lines for a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "parallel/pipeline/timeline.hpp"

namespace isoflop::parallel {

/// A row a rank, time to the right; beside each row its idle share and most activations in flight.
std::string draw_svg(const PipelineShape& shape, const Timeline& timeline);

/// Characters of the longest line of draw_text, known without drawing; a whole number.
double text_width(const PipelineShape& shape, const Timeline& timeline);

/// A line a rank, a column each time unit (the shortest pass): "F0 F1 B0 B0", F forward, B backward
/// (I its input gradient, W its weight gradient alone), micro-batch, chunk as a letter if there are
/// several.
std::string draw_text(const PipelineShape& shape, const Timeline& timeline);

}  // namespace isoflop::parallel
