// A scaling law: loss as a function of a few quantities, with everything a fit needs to know.
//
// Fits work on the logarithm of the loss and on unbounded "coordinates" theta (ln A instead of A,
// a product instead of two correlated factors); users see "values" (A, alpha, Nc). A law maps one
// to the other. x are the natural logarithms of the variables, in the order of `variables`.
//
// A new law is one file in forms/ that derives from Law (or from PowerSumLaw, power_sum.hpp) and
// defines a function of the file's name that returns the one instance.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "laws/linear_algebra.hpp"
#include "laws/points.hpp"

namespace isoflop::laws {

/// One value that the user sees, and the coordinate at the same position in theta.
struct ParameterInfo {
  std::string_view name;
  std::string_view meaning;     // with its unit
  std::string_view coordinate;  // what theta holds there; bounds apply to it
  double lower = -std::numeric_limits<double>::infinity();
  double upper = std::numeric_limits<double>::infinity();
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

/// Points as the objective reads them: n rows of `width` log-variables, ln loss, weight.
struct Samples {
  std::size_t width = 0;
  std::vector<double> x;  // (n, width) natural logs
  std::vector<double> y;  // ln loss
  std::vector<double> weight;

  std::size_t size() const { return y.size(); }
  const double* row(std::size_t i) const { return x.data() + i * width; }
};

class Law {
 public:
  Law() = default;
  Law(const Law&) = delete;
  Law& operator=(const Law&) = delete;
  virtual ~Law() = default;

  std::string_view name;
  std::string_view formula;
  std::string_view source;
  std::vector<Variable> variables;
  std::vector<ParameterInfo> parameters;
  std::size_t distinct_values = 3;  // of each variable, at least
  bool counts_embeddings = true;    // params means all parameters; false: those without embeddings
  bool any_variable = false;        // one-variable form that the user may apply to another variable

  std::size_t size() const { return parameters.size(); }
  std::size_t minimum_points() const { return parameters.size() + 1; }

  /// ln L at x. `gradient` (size) and `hessian` (lower triangle, leading dimension
  /// kMaxParameters) are derivatives by theta, overwritten; null pointers skip them.
  virtual double log_loss(const double* x, const double* theta, double* gradient,
                          double* hessian) const = 0;
  /// Starting coordinates for a global search.
  virtual std::vector<Vector> starts(const Samples& samples) const = 0;
  virtual Vector values(const Vector& theta) const = 0;
  virtual Vector coordinates(const Vector& values) const = 0;

  /// Further quantities computed from the values (Chinchilla's a, b and G).
  virtual std::vector<NamedValue> derived(const Vector& values) const;
  /// The compute-optimal allocation for C = 6 N D; empty for a law without a trade-off. The
  /// default searches ln N numerically, relative accuracy about 1e-8.
  virtual std::optional<Allocation> optimum(const Vector& values, double flops) const;
};

/// Every law, by name.
std::span<const Law* const> all_laws();

/// Throws InputError with the nearest known name.
const Law& find_law(std::string_view name);

/// `variables` in the place of the law's own: {law.variables} for most laws.
Samples make_samples(const Points& prepared, std::span<const Variable> variables);

}  // namespace isoflop::laws
