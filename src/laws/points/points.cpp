#include "laws/points/points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <numeric>

#include "core/error.hpp"
#include "core/nearest.hpp"

namespace isoflop::laws {
namespace {

template <class T>
void require_length(const std::vector<T>& column, std::string_view name, std::size_t size) {
  require(column.empty() || column.size() == size,
          "points: {} has {} values, another column {}: every column needs one value a point", name,
          column.size(), size);
}

void require_lengths(const Points& points) {
  const std::size_t size = points.size();
  require(size > 0, "points: there is no point, a fit needs several");
  for (const VariableInfo& variable : all_variables())
    require_length(column(points, variable.variable), variable.name, size);
  require_length(points.weight, "weight", size);
  require_length(points.group, "group", size);
  require_length(points.stage, "stage", size);
  require_length(points.name, "name", size);
}

void require_values(const Points& points, const VariableInfo& variable) {
  const std::vector<double>& values = column(points, variable.variable);
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double value = values[row];
    require(holds(variable.values, value),
            "{}: {}: saw {}, a fit needs {}: correct or remove the point", name_of(points, row),
            variable.name, value, describe(variable.values));
  }
}

void require_unique_tokens(const Points& points) {
  if (points.tokens.empty()) return;
  for (std::size_t row = 0; row < points.unique_tokens.size(); ++row)
    require(points.unique_tokens[row] <= points.tokens[row],
            "{}: unique_tokens: saw {}, more than its {} tokens: needed how many of those are "
            "different",
            name_of(points, row), points.unique_tokens[row], points.tokens[row]);
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

/// Order of two points: by every quantity in turn, then group and stage.
std::partial_ordering compare(const Points& points, std::size_t a, std::size_t b) {
  for (const VariableInfo& variable : all_variables()) {
    const std::vector<double>& values = column(points, variable.variable);
    if (values.empty()) continue;
    if (const auto order = values[a] <=> values[b]; order != 0) return order;
  }
  for (const auto* texts : {&points.group, &points.stage}) {
    if (texts->empty()) continue;
    if (const auto order = (*texts)[a] <=> (*texts)[b]; order != 0) return order;
  }
  return std::partial_ordering::equivalent;
}

/// The canonical order: what `compare` says, then weight, then name: of repeats one stays.
bool comes_before(const Points& points, std::size_t a, std::size_t b) {
  const auto order = compare(points, a, b);
  if (order != 0) return order < 0;
  if (points.weight[a] != points.weight[b]) return points.weight[a] < points.weight[b];
  return !points.name.empty() && points.name[a] < points.name[b];
}

Points fill_optional_columns(Points points) {
  fill_flops(points);
  for (std::size_t row = 0; row < points.flops.size(); ++row)
    require(
        holds(Values::positive, points.flops[row]),
        "{}: flops: 6 params tokens is {}, a fit needs a finite number above 0: give params and "
        "tokens in units",
        name_of(points, row), points.flops[row]);
  if (points.weight.empty()) points.weight.assign(points.size(), 1.0);
  return points;
}

}  // namespace

std::string_view describe(Values values) {
  switch (values) {
    case Values::positive:
      return "a finite number above 0";
    case Values::not_negative:
      return "a finite number, 0 or above";
    case Values::fraction:
      return "a fraction from 0 to 1";
  }
  return "";
}

bool holds(Values values, double value) {
  if (!std::isfinite(value) || value < 0) return false;
  return values == Values::fraction ? value <= 1 : value > 0 || values == Values::not_negative;
}

std::span<const VariableInfo> all_variables() {
  static constexpr VariableInfo kTable[] = {
      {Variable::params, "params", "", "parameters", Values::positive},
      {Variable::tokens, "tokens", "", "tokens", Values::positive},
      {Variable::flops, "flops", "", "FLOP", Values::positive},
      {Variable::steps, "steps", "step", "optimizer steps", Values::positive},
      {Variable::unique_tokens, "unique_tokens", "", "tokens", Values::positive},
      {Variable::batch, "batch", "", "tokens a step", Values::positive},
      {Variable::learning_rate, "learning_rate", "lr", "1", Values::not_negative},
      {Variable::loss, "loss", "", "nats/token", Values::positive},
      {Variable::task_loss, "task_loss", "", "bits/byte", Values::positive},
      {Variable::accuracy, "accuracy", "", "fraction", Values::fraction},
      {Variable::error, "error", "", "fraction", Values::fraction},
  };
  return kTable;
}

const VariableInfo& info(Variable variable) {
  return all_variables()[static_cast<std::size_t>(variable)];
}

Variable variable_from(std::string_view name) {
  std::vector<std::string> known;
  for (const VariableInfo& variable : all_variables()) {
    if (variable.name == name) return variable.variable;
    known.emplace_back(variable.name);
  }
  throw InputError(fmt::format("variable: '{}' is unknown, did you mean '{}'? Known: {}", name,
                               nearest(name, known), fmt::join(known, ", ")));
}

bool reads(std::span<const Variable> variables, Variable one) {
  return std::ranges::find(variables, one) != variables.end();
}

std::string name_of(const Points& points, std::size_t row) {
  return points.name.empty() ? fmt::format("point {}", row + 1) : points.name[row];
}

void fill_flops(Points& points) {
  if (!points.flops.empty() || points.params.empty() || points.tokens.empty()) return;
  for (std::size_t row = 0; row < points.params.size(); ++row)
    points.flops.push_back(6 * points.params[row] * points.tokens[row]);
  points.computed = Variable::flops;
}

std::size_t Points::size() const {
  std::size_t longest = 0;
  for (const VariableInfo& variable : all_variables())
    longest = std::max(longest, column(*this, variable.variable).size());
  return longest;
}

Points select(const Points& points, std::span<const std::size_t> rows) {
  Points picked = points;
  for (const VariableInfo& variable : all_variables())
    pick(quantity(picked, variable.variable), rows);
  pick(picked.weight, rows);
  pick(picked.group, rows);
  pick(picked.stage, rows);
  pick(picked.name, rows);
  return picked;
}

Points prepare(const Points& input) {
  require_lengths(input);
  for (const VariableInfo& variable : all_variables()) require_values(input, variable);
  require_unique_tokens(input);
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
                   [&](std::size_t a, std::size_t b) { return comes_before(points, a, b); });
  Points prepared = select(points, order);
  prepared.left_out.insert(prepared.left_out.end(), weightless.begin(), weightless.end());
  return prepared;
}

Points drop_worst(const Points& points, std::size_t count) {
  require(!points.loss.empty(), "drop-worst: the points have no loss to rank them by");
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

Points merge_repeats(const Points& prepared) {
  std::vector<std::size_t> kept;
  std::vector<double> weight;
  std::vector<LeftOut> repeats;
  for (std::size_t row = 0; row < prepared.size(); ++row) {
    if (row == 0 || compare(prepared, row, row - 1) != 0) {
      kept.push_back(row);
      weight.push_back(prepared.weight[row]);
      continue;
    }
    weight.back() += prepared.weight[row];
    repeats.push_back({name_of(prepared, row),
                       "it repeats another point in every value: one point with both weights"});
  }
  Points merged = select(prepared, kept);
  merged.weight = std::move(weight);
  merged.left_out.insert(merged.left_out.end(), repeats.begin(), repeats.end());
  return merged;
}

}  // namespace isoflop::laws
