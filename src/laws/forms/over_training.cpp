// Gadre et al. 2024 (arXiv 2403.08540), equation 4: the loss of runs with any number of tokens a
// parameter, M = D/N, at C = 6 N D.
#include <cmath>

#include "laws/law/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

// With C = 6 N D the two terms are powers of N and D with one exponent:
//   a M^eta C^-eta = a (6 N^2)^-eta,   b M^-eta C^-eta = b (6 D^2)^-eta.
enum { kE, kA, kB, kEta };

class OverTraining final : public PowerSumLaw {
 public:
  OverTraining() {
    name = "over-training";
    formula = "L(N,D) = E + (a M^eta + b M^-eta) C^-eta, M = D/N, C = 6 N D";
    source = "Gadre et al. 2024, equation 4";
    variables = {Variable::params, Variable::tokens};
    domain = {{1e7, 1e10}, {1e9, 1e12}};
    parameters = {{"E", "irreducible loss, nats/token", "ln E", 1.84, -14, 5, "nats/token"},
                  {"a", "of the term that grows with M", "ln(a 6^-eta)", 212, -20, 200,
                   "nats/token FLOP^eta"},
                  {"b", "of the term that falls with M", "ln(b 6^-eta)", 367, -20, 200,
                   "nats/token FLOP^eta"},
                  {"eta", "exponent of C", "2 eta", 0.136, 1e-6, 10, "-"}};
    set_terms({{kE}, {kA, kEta, 0}, {kB, kEta, 1}});
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    std::vector<Vector> nodes;
    for (const double exponent : {0.1, 0.2, 0.3, 0.5, 0.8, 1.2})
      for (const double floor : {0.1, 0.4, 0.7, 0.9})  // share of E in the mean
        for (const double params : {0.2, 0.5, 0.8}) {  // of the first term in the rest
          Vector node{0, 0, 0, exponent};
          balance(samples, node);
          node[kE] += std::log(3 * floor);
          node[kA] += std::log(3 * (1 - floor) * params);
          node[kB] += std::log(3 * (1 - floor) * (1 - params));
          nodes.push_back(node);
        }
    return nodes;
  }
  Vector values(const Vector& theta) const override {
    const double scale = 0.5 * theta[kEta] * std::log(6.0);
    return {std::exp(theta[kE]), std::exp(theta[kA] + scale), std::exp(theta[kB] + scale),
            0.5 * theta[kEta]};
  }
  Vector coordinates(const Vector& v) const override {
    const double scale = v[kEta] * std::log(6.0);
    return {std::log(v[kE]), std::log(v[kA]) - scale, std::log(v[kB]) - scale, 2 * v[kEta]};
  }
  /// The tokens a parameter of lowest loss: M = (b/a)^(1/(2 eta)) at any compute.
  std::vector<NamedValue> derived(const Vector& v) const override {
    return {{"M", std::pow(v[kB] / v[kA], 0.5 / v[kEta])}};
  }
  std::optional<Allocation> optimum(const Vector& v, double flops) const override {
    const double ratio = derived(v)[0].value;
    return Allocation{std::sqrt(flops / (6 * ratio)), std::sqrt(flops * ratio / 6)};
  }
};

}  // namespace

Laws over_training() {
  static const OverTraining law;
  return {&law};
}

}  // namespace isoflop::laws::forms
