// Plain double loops for kernels/api/embedding.hpp: the judge in tests.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/api/embedding.hpp"

namespace isoflop::kernels::reference {

inline void embedding_forward(const EmbeddingShape& shape, const std::int32_t* tokens,
                              const double* table, const double* positions, double* x) {
  for (std::size_t row = 0; row < shape.batch * shape.context; ++row) {
    for (std::size_t i = 0; i < shape.width; ++i) {
      x[row * shape.width + i] = table[static_cast<std::size_t>(tokens[row]) * shape.width + i];
      if (positions != nullptr) {
        x[row * shape.width + i] += positions[row % shape.context * shape.width + i];
      }
    }
  }
}

inline void embedding_backward(const EmbeddingShape& shape, const std::int32_t* tokens,
                               const double* dx, double* d_table, double* d_positions) {
  for (std::size_t row = 0; row < shape.batch * shape.context; ++row) {
    for (std::size_t i = 0; i < shape.width; ++i) {
      d_table[static_cast<std::size_t>(tokens[row]) * shape.width + i] += dx[row * shape.width + i];
      if (d_positions != nullptr) {
        d_positions[row % shape.context * shape.width + i] += dx[row * shape.width + i];
      }
    }
  }
}

}  // namespace isoflop::kernels::reference
