// Plain double loops for kernels/api/norm.hpp: the judge in tests.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/api/norm.hpp"

namespace isoflop::kernels::reference {

/// Rows of `sum` (the residual is already in it); bias may be null.
inline void norm_forward(const NormShape& shape, const double* sum, const double* gain,
                         const double* bias, double* y, double* statistics) {
  const auto width = static_cast<double>(shape.width);
  for (std::size_t row = 0; row < shape.rows; ++row) {
    const double* r = sum + row * shape.width;
    double mean = 0.0, variance = 0.0;
    if (shape.kind == NormKind::layer) {
      for (std::size_t i = 0; i < shape.width; ++i) mean += r[i] / width;
    }
    for (std::size_t i = 0; i < shape.width; ++i) variance += (r[i] - mean) * (r[i] - mean) / width;
    const double inverse = 1.0 / std::sqrt(variance + double{kNormEpsilon});
    statistics[2 * row] = mean;
    statistics[2 * row + 1] = inverse;
    for (std::size_t i = 0; i < shape.width; ++i) {
      y[row * shape.width + i] =
          (r[i] - mean) * inverse * gain[i] + (bias == nullptr ? 0.0 : bias[i]);
    }
  }
}

/// dx without the residual's gradient; d_gain and d_bias accumulate. From the textbook: with n the
/// normalised row and g = dy * gain, dx = inverse (g - mean(g) - n mean(g n)), mean(g) absent in
/// RMSNorm.
inline void norm_backward(const NormShape& shape, const double* x, const double* gain,
                          const double* statistics, const double* dy, double* dx, double* d_gain,
                          double* d_bias) {
  const auto width = static_cast<double>(shape.width);
  for (std::size_t row = 0; row < shape.rows; ++row) {
    const double mean = statistics[2 * row], inverse = statistics[2 * row + 1];
    const std::size_t at = row * shape.width;
    double mean_g = 0.0, mean_gn = 0.0;
    for (std::size_t i = 0; i < shape.width; ++i) {
      const double n = (x[at + i] - mean) * inverse;
      mean_g += dy[at + i] * gain[i] / width;
      mean_gn += dy[at + i] * gain[i] * n / width;
      d_gain[i] += dy[at + i] * n;
      if (d_bias != nullptr) d_bias[i] += dy[at + i];
    }
    if (shape.kind == NormKind::rms) mean_g = 0.0;
    for (std::size_t i = 0; i < shape.width; ++i) {
      const double n = (x[at + i] - mean) * inverse;
      dx[at + i] = inverse * (dy[at + i] * gain[i] - mean_g - n * mean_gn);
    }
  }
}

}  // namespace isoflop::kernels::reference
