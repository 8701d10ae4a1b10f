#include "laws/points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "core/error.hpp"

namespace isoflop::laws {
namespace {

std::string name_of(const Points& points, std::size_t row) {
  return points.name.empty() ? fmt::format("point {}", row + 1) : points.name[row];
}

template <class T>
void require_length(const std::vector<T>& column, const char* name, std::size_t size) {
  require(column.empty() || column.size() == size,
          "points: {} has {} values, loss has {}: every column needs one value a point", name,
          column.size(), size);
}

void require_lengths(const Points& points) {
  const std::size_t size = points.size();
  require(size > 0, "points: there is no point, a fit needs several");
  require(points.params.size() == size && points.tokens.size() == size,
          "points: {} params, {} tokens, {} losses: every point needs all three",
          points.params.size(), points.tokens.size(), size);
  require_length(points.flops, "flops", size);
  require_length(points.steps, "steps", size);
  require_length(points.weight, "weight", size);
  require_length(points.group, "group", size);
  require_length(points.name, "name", size);
}

void require_positive(const Points& points, const std::vector<double>& values, const char* name) {
  for (std::size_t row = 0; row < values.size(); ++row) {
    require(std::isfinite(values[row]) && values[row] > 0,
            "{}: {}: saw {}, a fit needs a finite number above 0: correct or remove the point",
            name_of(points, row), name, values[row]);
  }
}

void require_weights(const Points& points) {
  for (std::size_t row = 0; row < points.weight.size(); ++row) {
    const double weight = points.weight[row];
    require(std::isfinite(weight) && weight >= 0,
            "{}: weight: saw {}, needed a finite number, 0 or above", name_of(points, row), weight);
  }
}

template <class T>
void pick(std::vector<T>& column, std::span<const std::size_t> rows) {
  if (column.empty()) return;
  std::vector<T> picked;
  picked.reserve(rows.size());
  for (const std::size_t row : rows) picked.push_back(column[row]);
  column = std::move(picked);
}

auto key(const Points& points, std::size_t row) {
  return std::make_tuple(points.params[row], points.tokens[row], points.flops[row],
                         points.steps.empty() ? 0.0 : points.steps[row], points.loss[row],
                         points.weight[row],
                         points.group.empty() ? std::string_view() : points.group[row]);
}

Points fill_optional_columns(Points points) {
  if (points.flops.empty()) {
    points.flops.resize(points.size());
    for (std::size_t row = 0; row < points.size(); ++row)
      points.flops[row] = 6 * points.params[row] * points.tokens[row];
  }
  if (points.weight.empty()) points.weight.assign(points.size(), 1.0);
  return points;
}

}  // namespace

std::string_view to_string(Variable variable) {
  switch (variable) {
    case Variable::params:
      return "params";
    case Variable::tokens:
      return "tokens";
    case Variable::flops:
      return "flops";
    case Variable::steps:
      return "steps";
  }
  return "";
}

Variable variable_from(std::string_view name) {
  for (const Variable variable :
       {Variable::params, Variable::tokens, Variable::flops, Variable::steps})
    if (to_string(variable) == name) return variable;
  throw InputError(
      fmt::format("variable: '{}' is unknown, needed params, tokens, flops or steps", name));
}

const std::vector<double>& column(const Points& points, Variable variable) {
  switch (variable) {
    case Variable::params:
      return points.params;
    case Variable::tokens:
      return points.tokens;
    case Variable::flops:
      return points.flops;
    case Variable::steps:
      return points.steps;
  }
  return points.loss;
}

Points select(const Points& points, std::span<const std::size_t> rows) {
  Points picked = points;
  for (auto* column :
       {&picked.params, &picked.tokens, &picked.flops, &picked.steps, &picked.loss, &picked.weight})
    pick(*column, rows);
  pick(picked.group, rows);
  pick(picked.name, rows);
  return picked;
}

Points prepare(const Points& input) {
  require_lengths(input);
  require_positive(input, input.params, "params");
  require_positive(input, input.tokens, "tokens");
  require_positive(input, input.flops, "flops");
  require_positive(input, input.steps, "steps");
  require_positive(input, input.loss, "loss");
  require_weights(input);

  const Points points = fill_optional_columns(input);
  std::vector<std::size_t> order;
  std::vector<LeftOut> weightless;
  for (std::size_t row = 0; row < points.size(); ++row) {
    if (points.weight[row] > 0)
      order.push_back(row);
    else
      weightless.push_back({name_of(points, row), "its weight is 0"});
  }
  require(!order.empty(), "points: every weight is 0, a fit needs points with weight");
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return key(points, a) < key(points, b); });
  Points prepared = select(points, order);
  prepared.left_out.insert(prepared.left_out.end(), weightless.begin(), weightless.end());
  return prepared;
}

Points drop_worst(const Points& points, std::size_t count) {
  require(count < points.size(), "drop-worst: {} of {} points, at least one must stay", count,
          points.size());
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return points.loss[a] > points.loss[b]; });
  const std::vector<std::size_t> dropped(order.begin(), order.begin() + static_cast<long>(count));
  std::vector<std::size_t> kept(order.begin() + static_cast<long>(count), order.end());
  std::sort(kept.begin(), kept.end());
  Points remaining = select(points, kept);
  for (const std::size_t row : dropped)
    remaining.left_out.push_back(
        {name_of(points, row),
         fmt::format("one of the {} highest losses ({})", count, points.loss[row])});
  return remaining;
}

std::size_t count_distinct(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return static_cast<std::size_t>(std::unique(values.begin(), values.end()) - values.begin());
}

std::size_t count_duplicates(const Points& prepared) {
  std::size_t duplicates = 0;
  for (std::size_t row = 1; row < prepared.size(); ++row)
    duplicates += key(prepared, row) == key(prepared, row - 1);
  return duplicates;
}

}  // namespace isoflop::laws
