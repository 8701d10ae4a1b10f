// A power law above a floor, in one variable: L(C) = a C^-b + c of the GPT-4 report (OpenAI 2023,
// section 3.1).
#include <cmath>

#include "laws/law/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

enum { kE, kA, kAlpha };

class PowerOffset final : public PowerSumLaw {
 public:
  PowerOffset() {
    name = "power-offset";
    formula = "L(X) = E + A/X^alpha";
    source = "GPT-4 technical report (OpenAI 2023), section 3.1";
    variables = {Variable::flops};
    any_variable = true;
    domain = {{1e15, 1e24}};
    parameters = {{"E", "irreducible loss, nats/token", "ln E", 1.7, -14, 5, "nats/token"},
                  {"A", "nats/token at X = 1", "ln A", 1500, -20, 400, "nats/token"},
                  {"alpha", "exponent of X", "alpha", 0.16, 0, 10, "-"}};
    set_terms({{kE}, {kA, kAlpha, 0}});
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    std::vector<Vector> nodes;
    for (const double alpha : {0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0})
      for (const double share : {0.05, 0.3, 0.6, 0.8, 0.95}) {  // of E in the mean
        Vector node{0, 0, alpha};
        balance(samples, node);
        node[kE] += std::log(2 * share);
        node[kA] += std::log(2 * (1 - share));
        nodes.push_back(node);
      }
    return nodes;
  }
  Vector values(const Vector& theta) const override {
    return {std::exp(theta[kE]), std::exp(theta[kA]), theta[kAlpha]};
  }
  Vector coordinates(const Vector& v) const override {
    return {std::log(v[kE]), std::log(v[kA]), v[kAlpha]};
  }
};

}  // namespace

Laws power_offset() {
  static const PowerOffset law;
  return {&law};
}

}  // namespace isoflop::laws::forms
