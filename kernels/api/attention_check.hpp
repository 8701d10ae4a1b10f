// What the front ends of attention and rotary embedding ask of a shape.
#pragma once

#include "core/error.hpp"
#include "kernels/api/attention.hpp"

namespace isoflop::kernels {

/// Throws unless head_width is even and in 2..256.
inline void require_head_width(std::size_t head_width, const char* primitive) {
  require(head_width >= 2 && head_width <= 256 && head_width % 2 == 0,
          "{}: head_width {} asked for, an even number in 2..256 is needed; change model.width or "
          "model.heads",
          primitive, head_width);
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
