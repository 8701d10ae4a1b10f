#include "laws/numerics/robust_deviation.hpp"

#include <algorithm>
#include <limits>

namespace isoflop::laws {

double robust_deviation(std::vector<double> sizes, std::size_t parameters) {
  constexpr double kMedianOfNormal = 0.6744897501960817;  // of the size of a standard normal number
  if (sizes.empty()) return std::numeric_limits<double>::infinity();
  const std::size_t most = sizes.size() - std::min<std::size_t>(sizes.size(), 2);
  const std::size_t vanished = std::min(parameters, most);
  const auto middle =
      sizes.begin() + static_cast<std::ptrdiff_t>(vanished + (sizes.size() - vanished) / 2);
  std::ranges::nth_element(sizes, middle);
  return *middle / kMedianOfNormal;
}

}  // namespace isoflop::laws
