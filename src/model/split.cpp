#include "model/split.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/integers.hpp"

namespace isoflop::model {

parallel::Extent Split::share(std::size_t total) const {
  const std::size_t each = ceil_div(total, ranks);
  return {std::min(rank * each, total), std::min((rank + 1) * each, total)};
}

HeldSizes held_sizes(const ModelConfig& c, const Split& split) {
  return {.heads = c.heads / split.ranks,
          .kv_heads = c.kv_heads / split.ranks,
          .head_width = c.head_width(),
          .feed_forward = c.feed_forward / split.ranks,
          .up_width = c.up_width() / split.ranks,
          .vocabulary = split.share(c.vocabulary),
          .positions = split.share(c.context)};
}

std::string problem_of_split(const ModelConfig& config, std::size_t ranks) {
  const struct {
    const char* key;
    std::size_t value;
  } sizes[] = {{"model.heads", config.heads},
               {"model.kv_heads", config.kv_heads},
               {"model.feed_forward", config.feed_forward},
               {"model.context", config.context}};
  for (const auto& [key, value] : sizes)
    if (value % ranks != 0)
      return fmt::format("seen {}, which does not divide {} {}", ranks, key, value);
  if (Split{ranks, ranks - 1}.share(config.vocabulary).size() == 0)
    return fmt::format(
        "seen {}, which leaves a rank without any of the {} tokens of the vocabulary", ranks,
        config.vocabulary);
  return "";
}

}  // namespace isoflop::model
