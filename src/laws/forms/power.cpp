// A pure power law in one variable.
#include <cmath>

#include "laws/law/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

enum { kA, kAlpha };

class Power final : public PowerSumLaw {
 public:
  Power() {
    name = "power";
    formula = "L(X) = A/X^alpha";
    source = "the form of Kaplan et al. 2020, equations 1.1 to 1.3, without their scale";
    variables = {Variable::flops};
    any_variable = true;
    domain = {{1e15, 1e21}};
    parameters = {{"A", "nats/token at X = 1", "ln A", 30, -50, 200, "nats/token"},
                  {"alpha", "exponent of X", "alpha", 0.05, -10, 10, "-"}};
    set_terms({{kA, kAlpha, 0}});
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    std::vector<Vector> nodes =
        grid(std::vector<std::vector<double>>{{0}, {0, 0.02, 0.05, 0.1, 0.2, 0.5, 1}});
    for (Vector& node : nodes) balance(samples, node);
    return nodes;
  }
  Vector values(const Vector& theta) const override { return {std::exp(theta[kA]), theta[kAlpha]}; }
  Vector coordinates(const Vector& v) const override { return {std::log(v[kA]), v[kAlpha]}; }
};

}  // namespace

Laws power() {
  static const Power law;
  return {&law};
}

}  // namespace isoflop::laws::forms
