// Measured losses: the input of every fit.
//
// Plain parallel arrays, one entry a point. `params`, `tokens` and `loss` always have the same
// length; `flops`, `steps`, `weight`, `group` and `name` are either empty or as long.
//   params  N, parameters (the caller says of which kind)
//   tokens  D, training tokens processed
//   flops   C, training FLOP; empty: 6 N D
//   steps   optimizer steps at large batch (Kaplan's Smin); only kaplan-ns reads it
//   loss    nats/token
//   weight  >= 0, multiplies the point's share of the objective; empty: 1
//   group   points of one run share a group: the bootstrap draws whole groups, approach 1 reads
//           a group as one training curve
//   name    what the reader calls the point (a run's hash, "points.csv:17")
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isoflop::laws {

/// A point that a fit did not use, and why.
struct LeftOut {
  std::string name;
  std::string reason;
};

struct Points {
  std::vector<double> params;
  std::vector<double> tokens;
  std::vector<double> flops;
  std::vector<double> steps;
  std::vector<double> loss;
  std::vector<double> weight;
  std::vector<std::string> group;
  std::vector<std::string> name;
  std::vector<LeftOut> left_out;   // what the reader already left out (failed runs)
  std::vector<std::string> notes;  // what the reader filled in (flops = 6 params tokens)
  std::string source;              // file the points came from; may be empty

  std::size_t size() const { return loss.size(); }
};

/// A quantity that a law reads.
enum class Variable { params, tokens, flops, steps };
std::string_view to_string(Variable variable);
/// Throws InputError for a name that is not a variable.
Variable variable_from(std::string_view name);
const std::vector<double>& column(const Points& points, Variable variable);

/// The points as a fit uses them: every optional column filled, points of weight 0 moved to
/// `left_out`, rows in one canonical order, so that no result depends on the order of the input.
/// Throws InputError (one line, names the point) for columns of unequal length and for values
/// that are not finite and positive.
Points prepare(const Points& points);

/// Moves the `count` highest losses to `left_out`.
Points drop_worst(const Points& points, std::size_t count);

/// The points at `rows`, in that order.
Points select(const Points& points, std::span<const std::size_t> rows);

/// How many different values `values` holds.
std::size_t count_distinct(std::vector<double> values);

/// How many points repeat another point in every value.
std::size_t count_duplicates(const Points& prepared);

}  // namespace isoflop::laws
