// Plain double loops for kernels/api/cross_entropy.hpp: the judge in tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace isoflop::kernels::reference {

/// The loss of one row [vocabulary]; gradient [vocabulary] = scale (softmax - onehot) unless null.
inline double cross_entropy(std::size_t vocabulary, const double* logits, std::int32_t target,
                            double scale, double* gradient) {
  const double top = *std::max_element(logits, logits + vocabulary);
  double sum = 0.0;
  for (std::size_t i = 0; i < vocabulary; ++i) sum += std::exp(logits[i] - top);
  const auto at = static_cast<std::size_t>(target);
  if (gradient != nullptr) {
    for (std::size_t i = 0; i < vocabulary; ++i) {
      gradient[i] = scale * (std::exp(logits[i] - top) / sum - (i == at ? 1.0 : 0.0));
    }
  }
  return std::log(sum) + top - logits[at];
}

}  // namespace isoflop::kernels::reference
