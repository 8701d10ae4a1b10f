#include "laws/points/weights.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "core/error.hpp"

namespace isoflop::laws {
namespace {

constexpr double kPriorRuns = 4;  // of the pooled variance

std::vector<double> by_compute(const Points& points) {
  require(!points.flops.empty(),
          "weight-by: compute needs the columns params and tokens, or flops");
  std::vector<double> weights = points.flops;
  double mean = 0;
  for (const double flops : weights) mean += flops / static_cast<double>(weights.size());
  for (double& weight : weights) weight /= mean;
  return weights;
}

/// Points of the same sizes, batch and learning rate: runs that differ by chance alone.
struct Cell {
  std::vector<std::size_t> rows;
  double squares = 0;  // of ln loss around the cell's mean
};

std::vector<Cell> cells_of(const Points& points) {
  std::map<std::vector<double>, Cell> cells;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::vector<double> key;
    for (const VariableInfo& variable : all_variables()) {
      if (variable.variable >= Variable::loss) continue;  // what was measured
      const std::vector<double>& values = column(points, variable.variable);
      if (!values.empty()) key.push_back(values[i]);
    }
    cells[key].rows.push_back(i);
  }
  std::vector<Cell> list;
  for (auto& [key, cell] : cells) {
    double mean = 0;
    for (const std::size_t i : cell.rows)
      mean += std::log(points.loss[i]) / static_cast<double>(cell.rows.size());
    for (const std::size_t i : cell.rows)
      cell.squares += std::pow(std::log(points.loss[i]) - mean, 2);
    list.push_back(std::move(cell));
  }
  return list;
}

std::vector<double> by_replicates(const Points& points) {
  require(!points.loss.empty(), "weight-by: replicates needs the column loss");
  const std::vector<Cell> cells = cells_of(points);
  double squares = 0;
  double freedom = 0;
  for (const Cell& cell : cells) {
    squares += cell.squares;
    freedom += static_cast<double>(cell.rows.size() - 1);
  }
  require(
      squares > 0,
      "weight-by: replicates: {} points of {} sizes, none of them measured twice with different "
      "losses: needed runs that differ by their seed alone",
      points.size(), cells.size());
  const double pooled = squares / freedom;
  std::vector<double> weights(points.size());
  for (const Cell& cell : cells) {
    const double count = static_cast<double>(cell.rows.size() - 1) + kPriorRuns;
    const double variance = (cell.squares + kPriorRuns * pooled) / count;
    for (const std::size_t i : cell.rows) weights[i] = pooled / variance;
  }
  return weights;
}

}  // namespace

Points weigh(const Points& input, std::string_view by) {
  require(by == "compute" || by == "replicates",
          "weight-by: saw '{}', needed compute, replicates or the name of a column", by);
  Points points = prepare(input);  // sums over one order of rows give one result
  const std::vector<double> weights = by == "compute" ? by_compute(points) : by_replicates(points);
  points.notes.push_back(by == "compute" ? "weights: compute over its mean"
                                         : "weights: pooled variance of replicates over the "
                                           "variance at the point's size");
  for (std::size_t i = 0; i < weights.size(); ++i) points.weight[i] *= weights[i];
  return points;
}

}  // namespace isoflop::laws
