#include "laws/best_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "core/error.hpp"

namespace isoflop::laws {
namespace {

using Rows = std::vector<std::size_t>;

/// The rows of each size, the best first.
std::vector<Rows> split_by_size(const Points& points) {
  std::map<std::tuple<double, double, double>, Rows> rows_of;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double unique = points.unique_tokens.empty() ? 0 : points.unique_tokens[i];
    rows_of[{points.params[i], points.tokens[i], unique}].push_back(i);
  }
  std::vector<Rows> sizes;
  for (auto& [size, rows] : rows_of) {
    std::ranges::stable_sort(rows, {}, [&](std::size_t row) { return points.loss[row]; });
    sizes.push_back(std::move(rows));
  }
  return sizes;
}

/// "learning_rate: the best of 12 sweeps is the largest tried at 3, the smallest at 1".
void note_edges(Variable setting, const std::vector<Rows>& sizes, Points& points) {
  const std::vector<double>& values = column(points, setting);
  if (values.empty()) return;
  std::size_t sweeps = 0;
  std::size_t at_smallest = 0;
  std::size_t at_largest = 0;
  for (const Rows& rows : sizes) {
    const auto [low, high] =
        std::ranges::minmax(rows, {}, [&](std::size_t row) { return values[row]; });
    if (values[low] == values[high]) continue;
    ++sweeps;
    at_smallest += values[rows.front()] == values[low];
    at_largest += values[rows.front()] == values[high];
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

Points keep_best(const Points& input) {
  require(!input.params.empty() && !input.tokens.empty() && !input.loss.empty(),
          "best-runs: needs the columns params, tokens and loss");
  Points points = prepare(input);  // of equal losses the first in one order stays
  const std::vector<Rows> sizes = split_by_size(points);
  for (const Variable setting : {Variable::learning_rate, Variable::batch})
    note_edges(setting, sizes, points);
  Rows kept;
  for (const Rows& rows : sizes) {
    kept.push_back(rows.front());
    for (const std::size_t row : std::span(rows).subspan(1))
      points.left_out.push_back(
          {name_of(points, row), "a run of the same params and tokens reached a lower loss"});
  }
  std::ranges::sort(kept);
  return select(points, kept);
}

}  // namespace isoflop::laws
