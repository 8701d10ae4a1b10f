// Gadre et al. 2024 (arXiv 2403.08540), equation 5: the share of wrong answers falls with exp(-L).
#include <algorithm>
#include <cmath>

#include "laws/law/formula_law.hpp"

namespace isoflop::laws::forms {
namespace {

enum { kEpsilon, kK, kGamma, kCount };

class ErrorExponential final : public FormulaLaw<ErrorExponential, kCount> {
 public:
  ErrorExponential() {
    name = "error-exponential";
    formula = "error(L) = epsilon - k exp(-gamma L)";
    source = "Gadre et al. 2024, equation 5";
    variables = {Variable::loss};
    domain = {{1.8, 5}};
    any_variable = true;
    response = Variable::error;
    scale = Scale::linear;
    has_exponents = false;
    parameters = {
        {"epsilon", "error of a model that knows nothing", "epsilon", 0.85, -1, 2, "fraction"},
        {"k", "scale of the fall", "ln k", 2.08, -20, 20, "fraction"},
        {"gamma", "rate of the fall, token/nat", "gamma", 0.756, 1e-4, 50, "token/nat"}};
  }

  template <class T>
  static T compute(const double* x, const T* theta) {
    using std::exp;
    return theta[kEpsilon] - exp(theta[kK] - theta[kGamma] * std::exp(x[0]));
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    double loss = 0;
    double highest = 0;
    double mean = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      loss += std::exp(samples.row(i)[0]) / static_cast<double>(samples.size());
      mean += samples.y[i] / static_cast<double>(samples.size());
      highest = std::max(highest, samples.y[i]);
    }
    std::vector<Vector> nodes;
    for (const double gamma : {0.1, 0.3, 0.7, 1.5, 3.0, 6.0})
      for (const double above : {0.01, 0.1, 0.3}) {
        const double epsilon = highest + above;
        nodes.push_back({epsilon, std::log(epsilon - mean) + gamma * loss, gamma});
      }
    return nodes;
  }
  Vector values(const Vector& t) const override {
    return {t[kEpsilon], std::exp(t[kK]), t[kGamma]};
  }
  Vector coordinates(const Vector& v) const override {
    return {v[kEpsilon], std::log(v[kK]), v[kGamma]};
  }
};

}  // namespace

Laws error_exponential() {
  static const ErrorExponential law;
  return {&law};
}

}  // namespace isoflop::laws::forms
