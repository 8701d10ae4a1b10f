// What the front ends of attention and rotary embedding ask of a shape.
#pragma once

#include "core/error.hpp"
#include "kernels/api/attention.hpp"

namespace isoflop::kernels {

/// The widths that all kernels of attention take.
constexpr bool is_head_width(std::size_t head_width) {
  return head_width >= 2 && head_width <= kWidestHead && head_width % 2 == 0;
}

/// Throws unless is_head_width(head_width).
inline void require_head_width(std::size_t head_width, const char* primitive) {
  require(is_head_width(head_width),
          "{}: head_width {} asked for, an even number in 2..{} is needed; change model.width or "
          "model.heads",
          primitive, head_width, kWidestHead);
}

/// Throws unless the query heads divide into groups of equal size and head_width is one we have.
inline void require_attention_shape(const AttentionShape& shape, const char* primitive) {
  require(shape.kv_heads > 0 && shape.heads > 0 && shape.heads % shape.kv_heads == 0,
          "{}: {} heads with {} key/value heads asked for, the second must divide the first; "
          "change model.kv_heads",
          primitive, shape.heads, shape.kv_heads);
  require_head_width(shape.head_width, primitive);
}

}  // namespace isoflop::kernels
