#include "laws/points/best_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "core/error.hpp"

namespace isoflop::laws {
namespace {

using Rows = std::vector<std::size_t>;

/// Runs of one size, one entry a setting, the best first.
using Settings = std::vector<Rows>;

double mean_loss(const Points& points, const Rows& rows) {
  double sum = 0;
  for (const std::size_t row : rows) sum += points.loss[row];
  return sum / static_cast<double>(rows.size());
}

std::vector<Settings> split_by_size(const Points& points) {
  const auto value = [](const std::vector<double>& values, std::size_t row) {
    return values.empty() ? 0 : values[row];
  };
  std::map<SweptSize, std::map<std::pair<double, double>, Rows>> rows_of;
  for (std::size_t i = 0; i < points.size(); ++i)
    rows_of[size_of(points, i)][{value(points.learning_rate, i), value(points.batch, i)}].push_back(
        i);
  std::vector<Settings> sizes;
  for (const auto& [size, settings] : rows_of) {
    sizes.emplace_back();
    for (const auto& [setting, rows] : settings) sizes.back().push_back(rows);
    std::ranges::stable_sort(sizes.back(), {},
                             [&](const Rows& rows) { return mean_loss(points, rows); });
  }
  return sizes;
}

/// "learning_rate: the best of its sweep is the largest tried at 3 of 12 sizes, the smallest at 1".
void note_edges(Variable setting, const std::vector<Settings>& sizes, Points& points) {
  const std::vector<double>& values = column(points, setting);
  if (values.empty()) return;
  std::size_t sweeps = 0;
  std::size_t at_smallest = 0;
  std::size_t at_largest = 0;
  const auto value_of = [&](const Rows& rows) { return values[rows.front()]; };
  for (const Settings& settings : sizes) {
    const auto [least, most] = std::ranges::minmax_element(settings, {}, value_of);
    const double low = value_of(*least), high = value_of(*most);
    if (low == high) continue;
    ++sweeps;
    at_smallest += value_of(settings.front()) == low;
    at_largest += value_of(settings.front()) == high;
  }
  if (sweeps == 0) return;
  std::string note = fmt::format(
      "{}: the best of its sweep is the largest tried at {} of {} sizes, "
      "the smallest at {}",
      to_string(setting), at_largest, sweeps, at_smallest);
  if (at_largest + at_smallest > 0) note += ": a best at the edge is none, sweep further there";
  points.notes.push_back(std::move(note));
}

}  // namespace

SweptSize size_of(const Points& points, std::size_t row) {
  const double unique = points.unique_tokens.empty() ? 0 : points.unique_tokens[row];
  return {points.params[row], points.tokens[row], unique};
}

Points keep_best(const Points& input) {
  require(!input.params.empty() && !input.tokens.empty() && !input.loss.empty(),
          "best-runs: needs the columns params, tokens and loss");
  require(!input.learning_rate.empty() || !input.batch.empty(),
          "best-runs: needs a column learning_rate or batch, which tells settings from seeds");
  Points points = prepare(input);  // of equal means the first in one order stays
  const std::vector<Settings> sizes = split_by_size(points);
  for (const Variable setting : {Variable::learning_rate, Variable::batch})
    note_edges(setting, sizes, points);
  Rows kept;
  for (const Settings& settings : sizes) {
    kept.insert(kept.end(), settings.front().begin(), settings.front().end());
    for (const Rows& rows : std::span(settings).subspan(1))
      for (const std::size_t row : rows)
        points.left_out.push_back({name_of(points, row),
                                   "another learning rate or batch reached a lower mean loss at "
                                   "the same params and tokens"});
  }
  std::ranges::sort(kept);
  return select(points, kept);
}

}  // namespace isoflop::laws
