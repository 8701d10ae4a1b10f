#include "model/config.hpp"

#include <fmt/format.h>

#include "core/integers.hpp"
#include "kernels/api/attention_check.hpp"

namespace isoflop::model {

std::size_t default_feed_forward(Activation activation, std::size_t width) {
  constexpr std::size_t kThird = 3 * std::size_t{64};  // 8 d / 3 in multiples of 64
  return activation == Activation::gelu ? 4 * width : ceil_div(8 * width, kThird) * 64;
}

std::string problem(const ModelConfig& c) {
  if (c.heads == 0 || c.width % c.heads != 0) {
    return fmt::format("heads: seen {}, needed a divisor of width {}", c.heads, c.width);
  }
  if (c.kv_heads == 0 || c.heads % c.kv_heads != 0) {
    return fmt::format("kv_heads: seen {}, needed a divisor of heads {}", c.kv_heads, c.heads);
  }
  if (!kernels::is_head_width(c.head_width())) {
    return fmt::format(
        "heads: seen {}, which makes heads {} wide; needed an even width from 2 to {}", c.heads,
        c.head_width(), kernels::kWidestHead);
  }
  return {};
}

}  // namespace isoflop::model
