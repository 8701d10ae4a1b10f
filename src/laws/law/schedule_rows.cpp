#include "laws/law/schedule_rows.hpp"

#include <algorithm>
#include <cmath>

namespace isoflop::laws {
namespace {

// Neighbouring drops count as one until they add up to this share of the peak; the error is of its
// square.
constexpr double kDropShare = 1.0 / 128;
constexpr double kLeastRate = 1e-9;  // of the peak: a rate of 0 has no power
// Rows of a curve in a fit, each a mean over its neighbours: this many, and more where the sum of
// rates grows by a factor e.
constexpr std::size_t kWindows = 200;
constexpr double kWindowsAnE = 20;

/// Walks along one curve and gives the row of any step on the way.
class Walk {
 public:
  explicit Walk(double peak) : peak_(peak) {}

  /// The next record: `rate` held for `steps` steps.
  void advance(double rate, double steps, bool after_peak) {
    const double area_before = area_;
    area_ += rate * steps;
    if (after_peak && rate != rate_) add_drop(rate_ - rate, rate, area_before);
    rate_ = rate;
  }

  std::vector<double> row() const {
    std::vector<double> row = {std::log(area_), 0};
    const auto add = [&](const Drop& drop) {
      if (drop.size == 0) return;
      const double rate = std::max(drop.rate / drop.share, kLeastRate * peak_);
      const double since = std::max(area_ - drop.area / drop.share, kLeastRate * peak_);
      row.insert(row.end(), {drop.size, std::log(rate), std::log(since)});
      row[kDrops] += 1;
    };
    std::for_each(drops_.begin(), drops_.end(), add);
    add(open_);
    return row;
  }

 private:
  struct Drop {
    double size = 0;  // eta before - eta behind
    double rate = 0;  // sums weighted by |size|, of the rate behind and the area before
    double area = 0;
    double share = 0;  // the weights
  };

  void add_drop(double size, double rate, double area_before) {
    if (open_.size * size < 0) close();
    open_.size += size;
    open_.share += std::fabs(size);
    open_.rate += std::fabs(size) * rate;
    open_.area += std::fabs(size) * area_before;
    if (open_.share >= kDropShare * peak_) close();
  }
  void close() {
    if (open_.size != 0) drops_.push_back(open_);
    open_ = {};
  }

  double peak_;
  double area_ = 0;
  double rate_ = 0;
  std::vector<Drop> drops_;
  Drop open_;
};

}  // namespace

std::size_t peak_of(const Points& points, const Curve& curve) {
  std::size_t peak = 0;
  for (std::size_t k = 1; k < curve.size(); ++k)
    if (points.learning_rate[curve[k]] > points.learning_rate[curve[peak]]) peak = k;
  return peak;
}

std::vector<double> log_areas(const Points& points, const Curve& curve) {
  std::vector<double> logs;
  double area = 0;
  double step = 0;
  for (const std::size_t point : curve) {
    area += points.learning_rate[point] * (points.steps[point] - step);
    step = points.steps[point];
    logs.push_back(std::log(area));
  }
  return logs;
}

std::vector<Window> fitted_windows(const std::vector<double>& log_area, std::size_t first) {
  const std::size_t size = log_area.size();
  const auto index_of = [&](std::size_t k) {
    if (size - first <= kWindows) return k;
    const std::size_t by_position = (k - first) * kWindows / (size - first);
    return by_position + static_cast<std::size_t>(kWindowsAnE * (log_area[k] - log_area[first]));
  };
  std::vector<Window> windows;
  for (std::size_t begin = first, end = first; begin < size; begin = end) {
    while (end < size && index_of(end) == index_of(begin)) ++end;
    windows.push_back({begin, (begin + end - 1) / 2, end - 1});
  }
  return windows;
}

double records_of_window(std::size_t count) {
  return std::max(1.0, static_cast<double>(count) / kWindows);
}

void add_rows(const Points& points, const Curve& curve, const std::vector<Window>& windows,
              std::vector<std::vector<double>>& rows) {
  const std::size_t peak = peak_of(points, curve);
  Walk walk(points.learning_rate[curve[peak]]);
  double step = 0;
  auto next = windows.begin();
  for (std::size_t k = 0; k < curve.size() && next != windows.end(); ++k) {
    walk.advance(points.learning_rate[curve[k]], points.steps[curve[k]] - step, k > peak);
    step = points.steps[curve[k]];
    if (k != next->at) continue;
    rows.push_back(walk.row());
    ++next;
  }
}

void pack(const std::vector<std::vector<double>>& rows, Samples& samples) {
  for (const auto& row : rows) samples.width = std::max(samples.width, row.size());
  samples.x.assign(samples.width * rows.size(), 0.0);
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::copy(rows[i].begin(), rows[i].end(),
              samples.x.begin() + static_cast<long>(i * samples.width));
}

}  // namespace isoflop::laws
