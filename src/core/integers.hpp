// Integer arithmetic of sizes.
#pragma once

#include <cstddef>

namespace isoflop {

/// a / b, rounded up.
constexpr std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// The smallest multiple of `step` that is not below `size`.
constexpr std::size_t round_up(std::size_t size, std::size_t step) {
  return ceil_div(size, step) * step;
}

}  // namespace isoflop
