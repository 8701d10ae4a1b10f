// Plain double formulas for kernels/api/optimizer.hpp: the judge in tests.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "kernels/api/optimizer.hpp"

namespace isoflop::kernels::reference {

struct AdamWElement {
  double weight, first_moment, second_moment;
};

/// Loshchilov & Hutter 2017, algorithm 2, one element.
inline AdamWElement adamw(const AdamWStep& step, double gradient, const AdamWElement& before) {
  const double beta1 = step.beta1, beta2 = step.beta2, rate = step.learning_rate;
  const double g = gradient * step.gradient_scale;
  const double m = beta1 * before.first_moment + (1.0 - beta1) * g;
  const double v = beta2 * before.second_moment + (1.0 - beta2) * g * g;
  const double direction =
      (m / step.first_correction) / (std::sqrt(v / step.second_correction) + step.epsilon);
  return {before.weight - rate * direction - rate * step.weight_decay * before.weight, m, v};
}

/// Standard normal number `index` of a stream: Box and Muller (1958).
inline double normal(std::uint64_t seed, Purpose purpose, std::uint32_t stream_id,
                     std::uint64_t index) {
  const std::array<std::uint32_t, 4> words = philox(seed, purpose, stream_id, index / 4);
  const std::size_t pair = index % 4 / 2 * 2;
  const double uniform = (static_cast<double>(words[pair] >> 1) + 0.5) * 0x1p-31;
  // a quarter turn back, so that the top two bits of the angle are the quadrant
  const double angle =
      2.0 * std::acos(-1.0) * (static_cast<double>(words[pair + 1]) * 0x1p-32 - 0.125);
  const double radius = std::sqrt(-2.0 * std::log(uniform));
  return radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle));
}

}  // namespace isoflop::kernels::reference
