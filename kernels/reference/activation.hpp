// Plain double formulas for kernels/api/activation.hpp: the judge in tests.
#pragma once

#include <cmath>

namespace isoflop::kernels::reference {

inline double gelu(double x) {
  const double u = std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1.0 + std::tanh(u));
}

inline double gelu_slope(double x) {
  const double c = std::sqrt(2.0 / std::acos(-1.0));
  const double t = std::tanh(c * (x + 0.044715 * x * x * x));
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * c * (1.0 + 3.0 * 0.044715 * x * x);
}

inline double swiglu(double gate, double up) { return gate / (1.0 + std::exp(-gate)) * up; }

struct SwigluSlope {
  double gate, up;
};

inline SwigluSlope swiglu_slope(double gate, double up) {
  const double s = 1.0 / (1.0 + std::exp(-gate));
  return {up * s * (1.0 + gate * (1.0 - s)), gate * s};
}

}  // namespace isoflop::kernels::reference
