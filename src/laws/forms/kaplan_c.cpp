// Kaplan et al. 2020, equation 1.3.
#include <cmath>

#include "laws/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

// Fitted as ln L = k - aC ln x, which does not tie the two parameters together; Cc = exp(k / aC).
enum { kScale, kExponent };

class Form final : public PowerSumLaw {
 public:
  Form() {
    name = "kaplan-c";
    formula = "L(C) = (Cc/C)^aC";
    source = "Kaplan et al. 2020, equation 1.3";
    variables = {Variable::flops};
    parameters = {{"Cc", "FLOP", "k = aC ln Cc", -50, 200}, {"aC", "exponent", "aC", 1e-6, 10}};
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

const Law& kaplan_c() {
  static const Form law;
  return law;
}

}  // namespace isoflop::laws::forms
