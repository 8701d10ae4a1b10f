// Root of a function of one variable, and the derivative of a smooth one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace isoflop::laws {

/// The root of `f` between `low` and `high`, where its signs differ: false position with halving of
/// the stale side (Illinois), to rounding or `tolerance`.
template <class F>
double find_root(F&& f, double low, double high, double tolerance) {
  double f_low = f(low);
  double f_high = f(high);
  int side = 0;
  for (int step = 0; step < 200 && std::fabs(high - low) > tolerance; ++step) {
    double middle = (low * f_high - high * f_low) / (f_high - f_low);
    const bool stalls =
        step % 8 == 7 || !(middle > std::fmin(low, high) && middle < std::fmax(low, high));
    if (stalls) middle = 0.5 * (low + high);
    const double value = f(middle);
    if (value == 0) return middle;
    if ((value < 0) == (f_low < 0)) {
      low = middle;
      f_low = value;
      if (side == -1) f_high *= 0.5;
      side = -1;
    } else {
      high = middle;
      f_high = value;
      if (side == 1) f_low *= 0.5;
      side = 1;
    }
  }
  return 0.5 * (low + high);
}

/// Of the values of a function at ascending places, which of those below both their neighbours has
/// the least rank; the lowest of all where there is none. A law may fall without an end far outside
/// its points. `from_bound`: the function ends at the first place, whose one neighbour is the next.
template <class Rank>
std::size_t lowest_inside(const std::vector<double>& values, Rank&& rank, bool from_bound) {
  std::vector<std::size_t> inside;
  for (std::size_t k = from_bound ? 0 : 1; k + 1 < values.size(); ++k)
    if ((k == 0 || values[k] < values[k - 1]) && values[k] <= values[k + 1]) inside.push_back(k);
  if (!inside.empty()) return *std::ranges::min_element(inside, {}, rank);
  return static_cast<std::size_t>(std::ranges::min_element(values) - values.begin());
}

/// f'(x) by the central formula of order 8; for functions that vary over a scale of about 1.
template <class F>
double derivative(F&& f, double x) {
  constexpr double kStep = 0.03;
  constexpr double kWeight[] = {4.0 / 5, -1.0 / 5, 4.0 / 105, -1.0 / 280};
  double sum = 0;
  for (int k = 1; k <= 4; ++k) sum += kWeight[k - 1] * (f(x + k * kStep) - f(x - k * kStep));
  return sum / kStep;
}

}  // namespace isoflop::laws
