// Resampling and the summary of draws.
#pragma once

#include <cstdint>

#include "laws/fit/fit.hpp"

namespace isoflop::laws {

/// The units of a bootstrap: every point, or every group of points.
class Clusters {
 public:
  /// `group` empty: each of the `size` points is a unit.
  Clusters(std::size_t size, const std::vector<std::string>& group);

  std::size_t count() const { return count_; }
  std::size_t of(std::size_t point) const { return cluster_[point]; }
  /// How often draw number `draw` took each point; as many units as there are, with replacement.
  std::vector<double> counts(std::uint64_t seed, std::uint32_t draw) const;

 private:
  std::vector<std::size_t> cluster_;  // of each point
  std::size_t count_ = 0;
};

/// Quantile by linear interpolation between order statistics; `sorted` ascending, not empty and
/// without NaN. Between a finite and an infinite value it is the infinite one.
double quantile(const std::vector<double>& sorted, double probability);

/// Standard deviation and the central interval of `level` of `draws` around `value`; NaN for fewer
/// than two draws and for draws that are all the same: no draw moved it. Infinite draws count at
/// their end and leave no finite standard deviation.
Estimate summarise(std::string name, double value, std::vector<double> draws, double level);

/// Whether so many of the draws are without a value that no interval of `level` follows from the
/// others: those that are lost may all lie beyond one of its ends, where (1 - level) / 2 of all
/// belong.
bool are_too_many_lost(std::size_t lost, std::size_t asked, double level);

/// Half-width of the central `level` interval of a standard normal variable.
double normal_half_width(double level);

}  // namespace isoflop::laws
