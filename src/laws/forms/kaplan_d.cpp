// Kaplan et al. 2020, equation 1.2.
#include <cmath>

#include "laws/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

// Fitted as ln L = k - aD ln x, which does not tie the two parameters together; Dc = exp(k / aD).
enum { kScale, kExponent };

class Form final : public PowerSumLaw {
 public:
  Form() {
    name = "kaplan-d";
    formula = "L(D) = (Dc/D)^aD";
    source = "Kaplan et al. 2020, equation 1.2";
    variables = {Variable::tokens};
    parameters = {{"Dc", "tokens", "k = aD ln Dc", -50, 200}, {"aD", "exponent", "aD", 1e-6, 10}};
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

const Law& kaplan_d() {
  static const Form law;
  return law;
}

}  // namespace isoflop::laws::forms
