// A scaling law: one response (the loss, an accuracy, a learning rate) as a function of a few
// quantities, with everything that a fit needs to know.
//
// Fits work on the response's scale (ln y or y itself) and on unbounded "coordinates" theta (ln A
// instead of A, a product instead of two correlated factors); users see "values" (A, alpha, Nc). A
// law maps one to the other. A row x holds the natural logarithms of the variables, in the order
// of `variables`.
//
// A new law is one file in forms/ that derives from Law, from PowerSumLaw (power_sum.hpp) or from
// FormulaLaw (formula_law.hpp: derivatives for free) and defines a function of the file's name
// that returns its laws: `Laws chinchilla() { static const Chinchilla law; return {&law}; }`.
#pragma once

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "laws/numerics/linear_algebra.hpp"
#include "laws/points/points.hpp"

namespace isoflop::laws {

/// One value that the user sees, and the coordinate at the same position in theta.
struct ParameterInfo {
  std::string_view name;
  std::string_view meaning;     // with its unit
  std::string_view coordinate;  // what theta holds there; bounds apply to it
  double example;               // as published where the source gives one
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
  std::string_view unit = {};  // of the value; "-": a pure number

  bool is_fixed() const { return lower == upper; }  // fixed.hpp
};

struct NamedValue {
  std::string name;
  double value;
};

/// The N (parameters) and D (tokens) of lowest loss for C = 6 N D.
struct Allocation {
  double params;
  double tokens;
};

/// Points as the objective reads them: n rows of `width` numbers, the response on the law's
/// scale, the weight, and the point that the row came from.
struct Samples {
  std::size_t width = 0;
  std::vector<double> x;  // (n, width)
  std::vector<double> y;
  std::vector<double> weight;
  std::vector<std::size_t> point;
  /// Which of the steps of a law in several a row belongs to: each has a noise of its own. Empty:
  /// one step.
  std::vector<std::size_t> step = {};

  std::size_t size() const { return y.size(); }
  const double* row(std::size_t i) const { return x.data() + i * width; }
  bool weighs_evenly() const {
    return std::ranges::all_of(weight, [&](double one) { return one == weight.front(); });
  }
};

/// What a fit compares: ln y, or y itself (fractions).
enum class Scale { log, linear };

class Law {
 public:
  Law() = default;
  Law& operator=(const Law&) = delete;
  virtual ~Law() = default;

  std::string_view name;
  std::string_view formula;
  std::string_view source;
  std::vector<Variable> variables;
  std::vector<Range> domain;  // of each variable, where the example values make sense
  std::vector<ParameterInfo> parameters;
  Variable response = Variable::loss;
  Scale scale = Scale::log;
  std::size_t distinct_values = 3;  // of each variable, at least
  bool counts_embeddings = true;    // params means all parameters; false: those without embeddings
  bool has_exponents = true;        // of what it reads: powers; false: exponentials
  bool any_variable = false;        // one-variable form that the user may apply to another variable
  bool reads_curves = false;        // points of one group are one curve (curves.hpp); see along()
  /// Numbers in a row behind the variables; what they mean is the law's own, 0 in a prediction.
  std::size_t extra_columns = 0;

  std::size_t size() const { return parameters.size(); }
  /// How many of the parameters are not fixed.
  std::size_t free_parameters() const;
  std::size_t minimum_points() const { return free_parameters() + 1; }
  /// Of the response to the law's scale, and back.
  double to_scale(double response) const;
  double from_scale(double scaled) const;

  /// The response at row x, on the law's scale. `gradient` (size) and `hessian` (lower triangle,
  /// leading dimension kMaxParameters) are derivatives by theta, overwritten; null pointers skip
  /// them. A hessian is only asked for with a gradient.
  virtual double evaluate(const double* x, const double* theta, double* gradient,
                          double* hessian) const = 0;
  /// Starting coordinates for a global search.
  virtual std::vector<Vector> starts(const Samples& samples) const = 0;
  /// Further starts next to the optimum, by variable projection where the form allows it; else
  /// none.
  virtual std::vector<Vector> projected_starts(const Samples& samples) const;
  virtual Vector values(const Vector& theta) const = 0;
  virtual Vector coordinates(const Vector& values) const = 0;

  /// The columns that a fit needs: the response and, unless the user chooses, the variables.
  virtual std::vector<Variable> columns() const;
  /// The rows of a fit; `variables` in the place of the law's own. The default is make_samples: a
  /// row a point. A law in several steps gives rows for each of them.
  virtual Samples rows(const Points& prepared, std::span<const Variable> variables) const;
  /// A law of curves: rows to predict along a schedule (columns steps and learning_rate) from its
  /// largest rate on, at most `most`, the last step included; `point` is the position in it.
  virtual Samples along(const Points& schedule, std::size_t most) const;
  /// Noise-free points at the example values: a grid over `domain`.
  virtual Points example() const;

  /// Further quantities computed from the values (Chinchilla's a, b and G).
  virtual std::vector<NamedValue> derived(const Vector& values) const;
  /// The compute-optimal allocation for C = 6 N D; empty for a law without a trade-off. The
  /// default searches ln N numerically, relative accuracy about 1e-8.
  virtual std::optional<Allocation> optimum(const Vector& values, double flops) const;

 protected:
  Law(const Law&) = default;  // for laws made of another one (fixed.cpp)
};

using Laws = std::vector<const Law*>;

/// Every law.
std::span<const Law* const> all_laws();

/// Throws InputError with the nearest known name.
const Law& find_law(std::string_view name);

/// What a fit takes beside a law: all that suit the points (fit.hpp).
inline constexpr std::string_view kEnsemble = "ensemble";
/// The same where kEnsemble is a choice too; null stands for it.
const Law* find_law_or_ensemble(std::string_view name);

Vector example_values(const Law& law);

/// One row a point, the response as predicted: `variables` in the place of the law's own, zeros in
/// the extra columns.
Samples make_samples(const Law& law, const Points& prepared, std::span<const Variable> variables);

/// Every combination of one number from each list, in the order of an odometer.
std::vector<Vector> grid(std::span<const std::vector<double>> axes);

}  // namespace isoflop::laws
