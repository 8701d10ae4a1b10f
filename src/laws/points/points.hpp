// Measurements of training runs: the input of every fit.
//
// Plain parallel arrays, one entry a point; a column is either empty or as long as the others.
// Which columns a fit needs depends on its law. The quantities of Variable, and:
//   weight  >= 0, multiplies the point's share of the objective; empty: 1
//   group   points of one run share a group: the bootstrap draws whole groups; approach 1 and
//           laws of curves read a group as one training curve
//   stage   where in its run the loss was taken (conventions.hpp); empty: not stated
//   name    what the reader calls the point (a run's hash, "points.csv:17")
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laws/points/conventions.hpp"

namespace isoflop::laws {

/// A quantity that a law reads or predicts; units in all_variables().
enum class Variable {
  params,         // N (the caller says of which kind)
  tokens,         // D, processed
  flops,          // C, of training; 6 N D where absent
  steps,          // of the optimizer
  unique_tokens,  // different tokens among those processed
  batch,          // tokens a step
  learning_rate,  // its peak; of the step in a curve
  loss,           // L
  task_loss,      // of the right answers of a task
  accuracy,       // share of right answers
  error           // share of wrong answers
};

/// A value of type T for each Variable: columns, sizes of one run.
template <class T>
struct Quantities {
  T params{};
  T tokens{};
  T flops{};
  T steps{};
  T unique_tokens{};
  T batch{};
  T learning_rate{};
  T loss{};
  T task_loss{};
  T accuracy{};
  T error{};
};

/// The member of `quantities` (Points, RunSize) that `variable` names.
template <class Q>
auto& quantity(Q& quantities, Variable variable) {
  switch (variable) {
    case Variable::params:
      return quantities.params;
    case Variable::tokens:
      return quantities.tokens;
    case Variable::flops:
      return quantities.flops;
    case Variable::steps:
      return quantities.steps;
    case Variable::unique_tokens:
      return quantities.unique_tokens;
    case Variable::batch:
      return quantities.batch;
    case Variable::learning_rate:
      return quantities.learning_rate;
    case Variable::task_loss:
      return quantities.task_loss;
    case Variable::accuracy:
      return quantities.accuracy;
    case Variable::error:
      return quantities.error;
    case Variable::loss:
      break;
  }
  return quantities.loss;
}

/// The values that a quantity may have.
enum class Values { positive, not_negative, fraction };
/// "a number above 0" and the like, for messages.
std::string_view describe(Values values);
bool holds(Values values, double value);

struct VariableInfo {
  Variable variable;
  std::string_view name;
  std::string_view alias;  // another name of its column; may be empty
  std::string_view unit;
  Values values;
};
std::span<const VariableInfo> all_variables();
const VariableInfo& info(Variable variable);
inline std::string_view to_string(Variable variable) { return info(variable).name; }
/// Throws InputError for a name that is not a variable.
Variable variable_from(std::string_view name);

/// Whether who reads `variables` reads this one.
bool reads(std::span<const Variable> variables, Variable one);

struct Range {
  double low = 0;
  double high = 0;
};

/// A point that a fit did not use, and why.
struct LeftOut {
  std::string name;
  std::string reason;
};

struct Points : Quantities<std::vector<double>> {
  std::vector<double> weight;
  std::vector<std::string> group;
  std::vector<std::string> stage;
  std::vector<std::string> name;
  std::vector<LeftOut> left_out;   // what the reader already left out (failed runs)
  std::vector<std::string> notes;  // what the reader filled in (flops = 6 params tokens)
  Conventions conventions;         // of all points; its stage is left to the fit
  /// Which of params, tokens and flops was computed from the two others by C = 6 N D.
  std::optional<Variable> computed = {};
  std::string source;  // file the points came from; may be empty

  /// Length of the longest column.
  std::size_t size() const;
};

inline const std::vector<double>& column(const Points& points, Variable variable) {
  return quantity(points, variable);
}

/// The points as a fit uses them: weights and (from params and tokens) flops filled, points of
/// weight 0 moved to `left_out`, rows in one canonical order, so that no result depends on the
/// order of the input. Throws InputError (one line, names the point) for columns of unequal length
/// and for values that are not finite and positive (fractions: from 0 to 1; a learning rate may be
/// 0), or more unique tokens than tokens.
Points prepare(const Points& points);

/// What messages call a point: its name, or "point 3".
std::string name_of(const Points& points, std::size_t row);

/// 6 N D as the column flops, where there is none and the points have params and tokens.
void fill_flops(Points& points);

/// Moves the `count` highest losses to `left_out`.
Points drop_worst(const Points& points, std::size_t count);

/// The points at `rows`, in that order.
Points select(const Points& points, std::span<const std::size_t> rows);

/// How many different values `values` holds.
std::size_t count_distinct(std::vector<double> values);

/// Points that agree in every quantity, group and stage become one with the sum of their weights;
/// the others move to `left_out`. A copy tells nothing new: it must not count as another run in
/// degrees of freedom and draws.
Points merge_repeats(const Points& prepared);

}  // namespace isoflop::laws
