#include "experiment/training_curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace isoflop::experiment {
namespace {

constexpr std::size_t kWindows = 20;
constexpr std::size_t kFewestSteps = 100;
constexpr double kSpike = 1.1;

std::size_t end_of_warmup(const std::vector<record::TrainRow>& rows) {
  const auto highest =
      std::ranges::max_element(rows, {}, [](const record::TrainRow& row) { return row.lr; });
  return static_cast<std::size_t>(highest - rows.begin());
}

double mean_loss(std::span<const record::TrainRow> rows) {
  double sum = 0;
  for (const record::TrainRow& row : rows) sum += row.loss;
  return sum / static_cast<double>(rows.size());
}

}  // namespace

std::string curve_trouble(const std::vector<record::TrainRow>& rows) {
  if (rows.size() < 2) return "";
  const std::size_t first = end_of_warmup(rows);
  if (first + 1 == rows.size())
    return fmt::format("its warmup of {} steps is as long as its run", rows.size());
  const auto decaying = std::span(rows).subspan(first);
  if (decaying.size() < kFewestSteps) return "";
  double lowest = mean_loss(decaying.first(decaying.size() / kWindows));
  double last = lowest;
  for (std::size_t window = 1; window < kWindows; ++window) {
    const std::size_t begin = window * decaying.size() / kWindows;
    const std::size_t end = (window + 1) * decaying.size() / kWindows;
    last = mean_loss(decaying.subspan(begin, end - begin));
    lowest = std::min(lowest, last);
  }
  if (last <= kSpike * lowest) return "";
  return fmt::format("its training loss ends at {:.4g}, {:.0f}% above its lowest: a loss spike",
                     last, 100 * (last / lowest - 1));
}

bool ends_at_its_peak(const std::vector<record::TrainRow>& rows) {
  constexpr double kSame = 0.99;
  return rows.size() > 1 && rows.back().lr >= kSame * rows[end_of_warmup(rows)].lr;
}

std::vector<LossAtTokens> smoothed_curve(const std::vector<record::TrainRow>& rows,
                                         std::size_t bins) {
  std::vector<LossAtTokens> curve;
  if (rows.empty()) return curve;
  const auto after = std::span(rows).subspan(end_of_warmup(rows));
  const double low = std::log(static_cast<double>(after.front().tokens));
  const double width =
      (std::log(static_cast<double>(after.back().tokens)) - low) / static_cast<double>(bins);
  for (std::size_t begin = 0, end = 0; begin < after.size(); begin = end) {
    const auto bin_of = [&](std::size_t i) {
      const double place = (std::log(static_cast<double>(after[i].tokens)) - low) / width;
      return std::min(static_cast<double>(bins - 1), std::floor(place));
    };
    double log_tokens = 0;
    for (end = begin; end < after.size() && (end == begin || bin_of(end) == bin_of(begin)); ++end)
      log_tokens += std::log(static_cast<double>(after[end].tokens));
    curve.push_back({std::exp(log_tokens / static_cast<double>(end - begin)),
                     mean_loss(after.subspan(begin, end - begin))});
  }
  return curve;
}

}  // namespace isoflop::experiment
