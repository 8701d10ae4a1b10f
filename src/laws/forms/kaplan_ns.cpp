// Kaplan et al. 2020 (arXiv 2001.08361), equation 1.6; N without embeddings, Smin = S / (1 +
// Bcrit/B) steps.
#include <cmath>

#include "laws/law/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

// Fitted as exp(k - aN ln N) + exp(m - aS ln Smin) with k = aN ln Nc, m = aS ln Sc.
enum { kNc, kSc, kAN, kAS };

class KaplanNs final : public PowerSumLaw {
 public:
  KaplanNs() {
    name = "kaplan-ns";
    formula = "L(N,Smin) = (Nc/N)^aN + (Sc/Smin)^aS";
    source = "Kaplan et al. 2020, equation 1.6";
    variables = {Variable::params, Variable::steps};
    counts_embeddings = false;
    domain = {{1e6, 1e9}, {1e3, 2e6}};
    parameters = {
        {"Nc", "parameters without embeddings", "aN ln Nc", 6.5e13, -50, 200, "parameters"},
        {"Sc", "steps", "aS ln Sc", 2.1e3, -50, 200, "steps"},
        {"aN", "exponent of N", "aN", 0.077, 1e-4, 10, "-"},
        {"aS", "exponent of Smin", "aS", 0.76, 1e-4, 10, "-"}};
    set_terms({{kNc, kAN, 0}, {kSc, kAS, 1}});
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    std::vector<Vector> nodes;
    for (const double an : {0.02, 0.07, 0.2, 0.5})
      for (const double as : {0.1, 0.3, 0.7, 1.2})
        for (const double share : {0.2, 0.5, 0.8, 0.95}) {  // of the first term in the mean
          Vector node{0, 0, an, as};
          balance(samples, node);
          node[kNc] += std::log(2 * share);
          node[kSc] += std::log(2 * (1 - share));
          nodes.push_back(node);
        }
    return nodes;
  }
  Vector values(const Vector& theta) const override {
    return {std::exp(theta[kNc] / theta[kAN]), std::exp(theta[kSc] / theta[kAS]), theta[kAN],
            theta[kAS]};
  }
  Vector coordinates(const Vector& v) const override {
    return {v[kAN] * std::log(v[kNc]), v[kAS] * std::log(v[kSc]), v[kAN], v[kAS]};
  }
};

}  // namespace

Laws kaplan_ns() {
  static const KaplanNs law;
  return {&law};
}

}  // namespace isoflop::laws::forms
