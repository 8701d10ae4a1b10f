#include "model/split.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace isoflop::model {
namespace {

// Empty, or what cannot be cut.
std::string obstacle(const ModelConfig& c, std::size_t ranks) {
  const struct {
    const char* key;
    std::size_t value;
  } sizes[] = {{"model.heads", c.heads},
               {"model.kv_heads", c.kv_heads},
               {"model.feed_forward", c.feed_forward},
               {"model.context", c.context}};
  for (const auto& [key, value] : sizes)
    if (value % ranks != 0) return fmt::format("which does not divide {} {}", key, value);
  if (Split{ranks, ranks - 1}.share(c.vocabulary).size() == 0)
    return fmt::format("which leaves a rank without any of the {} tokens of the vocabulary",
                       c.vocabulary);
  return "";
}

}  // namespace

parallel::Extent Split::share(std::size_t total) const {
  const std::size_t each = (total + ranks - 1) / ranks;
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
  const std::string reason = obstacle(config, ranks);
  if (reason.empty()) return "";
  std::size_t nearest = 1;
  for (std::size_t other = 1; other <= config.kv_heads; ++other) {
    const auto distance = [&](std::size_t n) { return n > ranks ? n - ranks : ranks - n; };
    if (obstacle(config, other).empty() && distance(other) < distance(nearest)) nearest = other;
  }
  return fmt::format("seen {}, {}; the nearest that works is {}", ranks, reason, nearest);
}

}  // namespace isoflop::model
