// Kaplan et al. 2020, equation 1.1.
#include <cmath>

#include "laws/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

// Fitted as ln L = k - aN ln x, which does not tie the two parameters together; Nc = exp(k / aN).
enum { kScale, kExponent };

class Form final : public PowerSumLaw {
 public:
  Form() {
    name = "kaplan-n";
    formula = "L(N) = (Nc/N)^aN";
    source = "Kaplan et al. 2020, equation 1.1";
    variables = {Variable::params};
    counts_embeddings = false;
    parameters = {{"Nc", "parameters without embeddings", "k = aN ln Nc", -50, 200},
                  {"aN", "exponent", "aN", 1e-6, 10}};
    set_terms({{kScale, kExponent, 0}});
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    std::vector<Vector> nodes =
        grid(std::vector<std::vector<double>>{{0}, {0.02, 0.05, 0.1, 0.2, 0.5, 1}});
    for (Vector& node : nodes) balance(samples, node);
    return nodes;
  }
  Vector values(const Vector& theta) const override {
    return {std::exp(theta[kScale] / theta[kExponent]), theta[kExponent]};
  }
  Vector coordinates(const Vector& v) const override {
    return {v[kExponent] * std::log(v[kScale]), v[kExponent]};
  }
};

}  // namespace

const Law& kaplan_n() {
  static const Form law;
  return law;
}

}  // namespace isoflop::laws::forms
