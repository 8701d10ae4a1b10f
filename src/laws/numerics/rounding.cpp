#include "laws/numerics/rounding.hpp"

#include <fmt/format.h>

#include <cmath>
#include <string>

namespace isoflop::laws {

std::optional<double> half_last_digit(double value) {
  constexpr int kMostDigits = 4;
  if (!std::isfinite(value)) return std::nullopt;
  for (int digits = 1; digits <= kMostDigits; ++digits) {
    const std::string text = fmt::format("{:.{}e}", value, digits - 1);
    if (std::stod(text) != value) continue;
    const int exponent = std::stoi(text.substr(text.find('e') + 1));
    return 0.5 * std::pow(10.0, exponent - digits + 1);
  }
  return std::nullopt;
}

}  // namespace isoflop::laws
