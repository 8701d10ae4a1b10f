// Rows of training curves for a law that reads the whole schedule behind each step. eta_k: rate of
// step k; S(t): sum of all rates up to t, warm-up included; S_k(t): sum of the rates of steps k to
// t.
#pragma once

#include <cstddef>
#include <vector>

#include "laws/law/law.hpp"
#include "laws/points/curves.hpp"

namespace isoflop::laws {

/// A row: ln S(t), how many drops of the rate lie behind, then kPerDrop values for each of them.
enum { kLogArea, kDrops, kFirstDrop };
enum { kSize, kLogRate, kLogSince, kPerDrop };  // eta_(k-1) - eta_k, ln eta_k, ln S_k(t)

/// The steps of a row of a fit: a mean over positions first..last of the curve, placed at `at`.
struct Window {
  std::size_t first, at, last;
};

/// Position of the largest rate: warm-up ends there.
std::size_t peak_of(const Points& points, const Curve& curve);

/// ln of the sum of all rates up to each position.
std::vector<double> log_areas(const Points& points, const Curve& curve);

/// Windows from `first` on: each holds at most a 200th of the positions and S grows by at most 5%
/// in it, for a curve without a warm-up begins with large steps.
std::vector<Window> fitted_windows(const std::vector<double>& log_area, std::size_t first);

/// Records in a window that is not cut short by the growth of S, of `count` in all.
double records_of_window(std::size_t count);

/// Appends the rows of one curve at every window.
void add_rows(const Points& points, const Curve& curve, const std::vector<Window>& windows,
              std::vector<std::vector<double>>& rows);

/// Rows of different lengths side by side: those with fewer drops end in zeros.
void pack(const std::vector<std::vector<double>>& rows, Samples& samples);

}  // namespace isoflop::laws
