// Kaplan et al. 2020 (arXiv 2001.08361), equation 1.5; N without embeddings.
#include <cmath>

#include "laws/law/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

// Fitted as ln L = aD ln(exp(p - s ln N) + exp(q - ln D)) with s = aN/aD, p = s ln Nc, q = ln Dc.
enum { kNc, kDc, kRatio, kAD };

class KaplanNd final : public PowerSumLaw {
 public:
  KaplanNd() {
    name = "kaplan-nd";
    formula = "L(N,D) = [(Nc/N)^(aN/aD) + Dc/D]^aD";
    source = "Kaplan et al. 2020, equation 1.5";
    variables = {Variable::params, Variable::tokens};
    counts_embeddings = false;
    domain = {{1e6, 1e9}, {2e7, 5e10}};
    parameters = {
        {"Nc", "parameters without embeddings", "(aN/aD) ln Nc", 6.4e13, -50, 200, "parameters"},
        {"Dc", "tokens", "ln Dc", 1.8e13, -50, 200, "tokens"},
        {"aN", "exponent of N", "aN/aD", 0.076, 1e-4, 50, "-"},
        {"aD", "exponent of D", "aD", 0.103, 1e-4, 10, "-"}};
    set_terms({{kNc, kRatio, 0}, {kDc, kUnitExponent, 1}}, kAD);
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    std::vector<Vector> nodes;
    for (const double ad : {0.03, 0.07, 0.1, 0.2, 0.4, 0.8})
      for (const double ratio : {0.3, 0.6, 0.8, 1.0, 1.5, 3.0})
        for (const double tilt : {-4.0, -1.0, 0.0, 1.0, 4.0}) {  // which term dominates
          Vector node{0, 0, ratio, ad};
          balance(samples, node);
          node[tilt < 0 ? kNc : kDc] -= std::fabs(tilt);
          nodes.push_back(node);
        }
    return nodes;
  }
  Vector values(const Vector& theta) const override {
    return {std::exp(theta[kNc] / theta[kRatio]), std::exp(theta[kDc]), theta[kRatio] * theta[kAD],
            theta[kAD]};
  }
  Vector coordinates(const Vector& v) const override {
    const double ratio = v[2] / v[3];
    return {ratio * std::log(v[kNc]), std::log(v[kDc]), ratio, v[3]};
  }
};

}  // namespace

Laws kaplan_nd() {
  static const KaplanNd law;
  return {&law};
}

}  // namespace isoflop::laws::forms
