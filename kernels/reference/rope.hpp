// Plain double loops for kernels/api/rope.hpp: the judge in tests.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/api/rope.hpp"

namespace isoflop::kernels::reference {

/// Turns every query and key of qkv by direction * position * frequency: +1 forward, -1 backward.
inline void rope(const AttentionShape& shape, double direction, double* qkv) {
  const std::size_t half = shape.head_width / 2;
  for (std::size_t row = 0; row < shape.batch * shape.context; ++row) {
    for (std::size_t head = 0; head < shape.heads + shape.kv_heads; ++head) {
      double* values = qkv + row * shape.qkv_width() + head * shape.head_width;
      for (std::size_t i = 0; i < half; ++i) {
        const double frequency = std::pow(1e4, -2.0 * i / static_cast<double>(shape.head_width));
        const double angle = direction * static_cast<double>(row % shape.context) * frequency;
        const double a = values[i], b = values[i + half];
        values[i] = a * std::cos(angle) - b * std::sin(angle);
        values[i + half] = a * std::sin(angle) + b * std::cos(angle);
      }
    }
  }
}

}  // namespace isoflop::kernels::reference
