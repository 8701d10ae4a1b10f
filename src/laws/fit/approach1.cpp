#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/fit/calibration.hpp"
#include "laws/fit/frontier.hpp"
#include "laws/numerics/linear_algebra.hpp"

namespace isoflop::laws {
namespace {

constexpr std::size_t kComputeValues = 1500;  // as in the paper
constexpr std::size_t kLossValues = 48;       // of them, for the loss law
constexpr std::size_t kInnerSizesNeeded = 2;
constexpr std::size_t kFewestNeighbours = 7;  // that a smoothed loss is made from
constexpr std::size_t kMostNeighbours = 101;  // bounds the time of long curves
constexpr std::size_t kMostPassing = 64;      // a draw leaves all of them out once in e^64

/// One training run: ln C ascending with ln D and ln L.
struct TrainingCurve {
  double params = 0;
  std::string group;
  std::vector<double> log_flops;
  std::vector<double> log_tokens;
  std::vector<double> log_loss;
};

/// Each ln L becomes the value of a local parabola (tricube weights over a tenth of the curve's
/// points): the lowest of several noisy curves would lie below the lowest loss. A curve too short
/// for that stays as it is.
void smooth(TrainingCurve& curve) {
  const std::size_t size = curve.log_flops.size();
  const std::size_t window = std::clamp(size / 10, kFewestNeighbours, kMostNeighbours);
  if (size < window) return;
  const std::span<const double> x(curve.log_flops);
  const std::vector<double> loss = curve.log_loss;
  std::vector<double> weight(window);
  std::size_t first = 0;
  for (std::size_t i = 0; i < size; ++i) {
    while (first + window < size && x[first + window] - x[i] < x[i] - x[first]) ++first;
    const double reach = 1.001 * std::max(x[i] - x[first], x[first + window - 1] - x[i]);
    for (std::size_t k = 0; k < window; ++k) {
      const double distance = std::fabs(x[first + k] - x[i]) / reach;
      weight[k] = std::pow(1 - distance * distance * distance, 3);
    }
    const Polynomial parabola = fit_polynomial(
        x.subspan(first, window), std::span<const double>(loss).subspan(first, window), weight, 2);
    if (!parabola.ok) continue;
    const double u = x[i] - parabola.centre;
    const auto [c0, c1, c2] = parabola.coefficient;
    curve.log_loss[i] = c0 + u * (c1 + u * c2);
  }
}

void leave_out(const Points& points, const std::vector<std::size_t>& rows, const char* reason,
               Fit& result) {
  result.used -= rows.size();
  for (const std::size_t row : rows)
    result.left_out.push_back({points.name.empty() && !points.group[row].empty()
                                   ? points.group[row]
                                   : name_of(points, row),
                               reason});
}

/// The curve of one run; evaluations at the same compute become their mean.
TrainingCurve make_curve(const Points& points, const std::string& group,
                         std::vector<std::size_t> rows) {
  std::stable_sort(rows.begin(), rows.end(),
                   [&](std::size_t a, std::size_t b) { return points.flops[a] < points.flops[b]; });
  TrainingCurve curve{points.params[rows.front()], group, {}, {}, {}};
  double evaluations = 0;  // at the last compute
  for (const std::size_t row : rows) {
    require(points.params[row] == curve.params,
            "approach1: run '{}' has points with {} and {} params; needs one size a run", group,
            curve.params, points.params[row]);
    const double log_loss = std::log(points.loss[row]);
    if (!curve.log_flops.empty() && std::log(points.flops[row]) <= curve.log_flops.back()) {
      evaluations += 1;
      curve.log_loss.back() += (log_loss - curve.log_loss.back()) / evaluations;
      continue;
    }
    evaluations = 1;
    curve.log_flops.push_back(std::log(points.flops[row]));
    curve.log_tokens.push_back(std::log(points.tokens[row]));
    curve.log_loss.push_back(log_loss);
  }
  return curve;
}

void require_equal_weights(const Points& points) {
  const auto [low, high] = std::ranges::minmax(points.weight);
  require(low == high,
          "approach1: saw weights from {:g} to {:g}, but the envelope of curves knows no weights: "
          "leave them out, or use --method approach2 or approach3",
          low, high);
}

/// Points that make no curve are left out of `result`.
std::vector<TrainingCurve> read_curves(const Points& points, Fit& result) {
  require(!points.group.empty(),
          "approach1 reads training curves: it needs a column 'group' that names each point's run");
  require_equal_weights(points);
  std::map<std::string, std::vector<std::size_t>> rows_of;
  for (std::size_t row = 0; row < points.size(); ++row) rows_of[points.group[row]].push_back(row);
  std::vector<TrainingCurve> curves;
  for (const auto& [group, rows] : rows_of) {
    if (group.empty()) {
      leave_out(points, rows, "its group is empty: no curve to belong to", result);
      continue;
    }
    TrainingCurve curve = make_curve(points, group, rows);
    if (curve.log_flops.size() >= 2) {
      smooth(curve);
      curves.push_back(std::move(curve));
    } else {
      leave_out(points, rows, "its run has no two points of different compute: no curve", result);
    }
  }
  require(
      curves.size() >= 3,
      "approach1: {} runs have two or more points of different compute; needs 3 training curves",
      curves.size());
  return curves;
}

/// One curve at a compute value.
struct Passing {
  double log_loss = 0;
  std::size_t curve = 0;
  double log_tokens = 0;

  auto operator<=>(const Passing&) const = default;
};

/// The lowest curves at every compute value, lowest first.
struct Table {
  std::vector<double> log_flops;
  std::vector<std::vector<Passing>> lowest;
};

void keep_lowest(std::vector<Passing>& passing) {
  std::ranges::sort(passing);
  passing.resize(std::min(passing.size(), kMostPassing));
}

Passing interpolate(const TrainingCurve& curve, std::size_t index, double x) {
  const auto upper = std::upper_bound(curve.log_flops.begin() + 1, curve.log_flops.end() - 1, x);
  const auto j = static_cast<std::size_t>(upper - curve.log_flops.begin());
  const double t = (x - curve.log_flops[j - 1]) / (curve.log_flops[j] - curve.log_flops[j - 1]);
  return {curve.log_loss[j - 1] + t * (curve.log_loss[j] - curve.log_loss[j - 1]), index,
          curve.log_tokens[j - 1] + t * (curve.log_tokens[j] - curve.log_tokens[j - 1])};
}

Table tabulate(const std::vector<TrainingCurve>& curves) {
  double low = curves.front().log_flops.front();
  double high = low;
  for (const TrainingCurve& curve : curves) {
    low = std::min(low, curve.log_flops.front());
    high = std::max(high, curve.log_flops.back());
  }
  Table table;
  for (std::size_t k = 0; k < kComputeValues; ++k)
    table.log_flops.push_back(low + (high - low) * static_cast<double>(k) / (kComputeValues - 1));
  table.lowest.resize(kComputeValues);
  for (std::size_t c = 0; c < curves.size(); ++c) {
    const auto first = std::ranges::lower_bound(table.log_flops, curves[c].log_flops.front());
    const auto last = std::ranges::upper_bound(table.log_flops, curves[c].log_flops.back());
    for (auto x = first; x < last; ++x) {
      auto& passing = table.lowest[static_cast<std::size_t>(x - table.log_flops.begin())];
      passing.push_back(interpolate(curves[c], c, *x));
      if (passing.size() >= 2 * kMostPassing) keep_lowest(passing);
    }
  }
  std::ranges::for_each(table.lowest, keep_lowest);
  return table;
}

/// The envelope of the curves with `count` > 0, inside the range of sizes; `sizes` gets the number
/// of sizes on it.
Frontier envelope(const std::vector<TrainingCurve>& curves, const Table& table,
                  const std::vector<double>& count, std::size_t& sizes) {
  double smallest = std::numeric_limits<double>::infinity();
  double largest = 0;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    if (count[c] == 0) continue;
    smallest = std::min(smallest, curves[c].params);
    largest = std::max(largest, curves[c].params);
  }
  Frontier frontier;
  std::vector<double> winners;
  for (std::size_t k = 0; k < kComputeValues; ++k) {
    const auto best = std::ranges::find_if(
        table.lowest[k], [&](const Passing& passing) { return count[passing.curve] > 0; });
    if (best == table.lowest[k].end()) continue;
    const double params = curves[best->curve].params;
    if (params == smallest || params == largest) continue;
    winners.push_back(params);
    frontier.flops.push_back(std::exp(table.log_flops[k]));
    frontier.params.push_back(params);
    frontier.tokens.push_back(std::exp(best->log_tokens));
    frontier.loss.push_back(std::exp(best->log_loss));
  }
  sizes = count_distinct(winners);
  return frontier;
}

/// What the loss law is fitted to: neighbours on the envelope hardly differ.
Frontier select_evenly(const Frontier& frontier) {
  Frontier selection;
  const std::size_t size = frontier.flops.size();
  for (std::size_t k = 0; k < std::min(kLossValues, size); ++k) {
    const std::size_t i =
        k * (size - 1) / std::max<std::size_t>(std::min(kLossValues, size) - 1, 1);
    selection.flops.push_back(frontier.flops[i]);
    selection.params.push_back(frontier.params[i]);
    selection.tokens.push_back(frontier.tokens[i]);
    selection.loss.push_back(frontier.loss[i]);
  }
  return selection;
}

/// Power laws through the whole envelope, the loss law through an even selection of it.
std::optional<std::vector<double>> fit_envelope(const Frontier& frontier, double huber_delta,
                                                const std::vector<double>* start = nullptr) {
  auto loss_law = fit_frontier(select_evenly(frontier), huber_delta, start);
  if (!loss_law) return std::nullopt;
  const FrontierLines lines = fit_lines(frontier);
  if (!lines.ok) return std::nullopt;
  (*loss_law)[kG] = lines.params_scale;
  (*loss_law)[kExponentN] = lines.params_exponent;
  (*loss_law)[kH] = lines.tokens_scale;
  (*loss_law)[kExponentD] = lines.tokens_exponent;
  return loss_law;
}

}  // namespace

void fit_approach1(const Points& prepared, const FitOptions& options, Fit& result) {
  const std::vector<TrainingCurve> curves = read_curves(prepared, result);
  const Table table = tabulate(curves);
  std::size_t sizes = 0;
  const Frontier frontier = envelope(curves, table, std::vector<double>(curves.size(), 1.0), sizes);
  require(sizes >= kInnerSizesNeeded,
          "approach1: {} sizes between the smallest and the largest touch the envelope; needs {}: "
          "add sizes, or use "
          "--method approach3",
          sizes, kInnerSizesNeeded);
  const std::vector<double> full = *fit_envelope(frontier, options.huber_delta);

  calibrate_frontier(select_evenly(frontier), full, options.huber_delta, kFewestForNested, result);

  std::vector<std::string> runs;
  for (const TrainingCurve& curve : curves) runs.push_back(curve.group);
  const Clusters clusters(curves.size(), runs);
  result.draws.asked = options.bootstrap;
  result.draws.clusters = clusters.count();
  for (std::size_t d = 0; d < options.bootstrap; ++d) {
    const auto counts = clusters.counts(options.seed, static_cast<std::uint32_t>(d));
    const Frontier drawn = envelope(curves, table, counts, sizes);
    if (sizes < kInnerSizesNeeded) continue;
    if (auto row = fit_envelope(drawn, options.huber_delta, &full))
      result.draws.rows.push_back(*row);
  }
  summarise_frontier(
      full, "for draws that leave nothing open add sizes between the smallest and the largest",
      result);
}

}  // namespace isoflop::laws
