// Kaplan et al. 2020 (arXiv 2001.08361), equations 1.1, 1.2 and 1.3: one power law, read by N, by D
// and by C.
#include <cmath>

#include "laws/law/power_sum.hpp"

namespace isoflop::laws::forms {
namespace {

// Fitted as ln L = k - aX ln X, which does not tie the two parameters together; Xc = exp(k / aX).
enum { kScale, kExponent };

class KaplanOne final : public PowerSumLaw {
 public:
  struct Texts {
    std::string_view name, formula, source;
    ParameterInfo scale, exponent;
  };

  KaplanOne(const Texts& texts, Variable variable, Range range, bool with_embeddings) {
    name = texts.name;
    formula = texts.formula;
    source = texts.source;
    variables = {variable};
    domain = {range};
    counts_embeddings = with_embeddings;
    parameters = {texts.scale, texts.exponent};
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

Laws kaplan_one() {
  constexpr double kPfDay = 8.64e19;  // FLOP
  static const KaplanOne by_params(
      {"kaplan-n",
       "L(N) = (Nc/N)^aN",
       "Kaplan et al. 2020, equation 1.1",
       {"Nc", "parameters without embeddings", "aN ln Nc", 8.8e13, -50, 200, "parameters"},
       {"aN", "exponent of N", "aN", 0.076, 1e-6, 10, "-"}},
      Variable::params, {1e6, 1e10}, false);
  static const KaplanOne by_tokens({"kaplan-d",
                                    "L(D) = (Dc/D)^aD",
                                    "Kaplan et al. 2020, equation 1.2",
                                    {"Dc", "tokens", "aD ln Dc", 5.4e13, -50, 200, "tokens"},
                                    {"aD", "exponent of D", "aD", 0.095, 1e-6, 10, "-"}},
                                   Variable::tokens, {2e7, 2e10}, true);
  static const KaplanOne by_flops(
      {"kaplan-c",
       "L(C) = (Cc/C)^aC",
       "Kaplan et al. 2020, equation 1.3",
       {"Cc", "FLOP", "aC ln Cc", 3.1e8 * kPfDay, -50, 200, "FLOP"},
       {"aC", "exponent of C, which is Cmin with --critical-batch", "aC", 0.050, 1e-6, 10, "-"}},
      Variable::flops, {1e15, 1e21}, false);
  return {&by_params, &by_tokens, &by_flops};
}

}  // namespace isoflop::laws::forms
