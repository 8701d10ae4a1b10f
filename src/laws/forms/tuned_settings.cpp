// Learning rate and batch size of tuned runs: power laws in N and D (Step Law: Li et al. 2025,
// arXiv 2503.04715, equation 1) and in C (DeepSeek LLM 2024, arXiv 2401.02954, equation 1).
#include <cmath>

#include "laws/law/law.hpp"

namespace isoflop::laws::forms {
namespace {

/// ln y = ln c + sum_k sign_k exponent_k ln x_k, the sign as the source prints it.
class TunedSetting final : public Law {
 public:
  struct Texts {
    std::string_view name, formula, source;
  };

  TunedSetting(const Texts& texts, Variable predicted, std::vector<Variable> read,
               std::vector<double> signs, std::vector<ParameterInfo> infos)
      : signs_(std::move(signs)) {
    name = texts.name;
    formula = texts.formula;
    source = texts.source;
    response = predicted;
    variables = std::move(read);
    parameters = std::move(infos);
    counts_embeddings = false;
    for (const Variable variable : variables)
      domain.push_back(variable == Variable::params   ? Range{6e7, 1e9}
                       : variable == Variable::tokens ? Range{2e9, 1e11}
                                                      : Range{1e17, 2e19});
  }

  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const override {
    double sum = theta[0];
    for (std::size_t k = 0; k < signs_.size(); ++k) sum += signs_[k] * theta[k + 1] * x[k];
    if (gradient == nullptr) return sum;
    gradient[0] = 1;
    for (std::size_t k = 0; k < signs_.size(); ++k) gradient[k + 1] = signs_[k] * x[k];
    if (hessian != nullptr)  // linear in theta
      for (std::size_t i = 0; i < size(); ++i)
        for (std::size_t j = 0; j <= i; ++j) hessian[i * kMaxParameters + j] = 0;
    return sum;
  }

  std::vector<Vector> starts(const Samples& samples) const override {
    Vector flat{};
    for (const double y : samples.y) flat[0] += y / static_cast<double>(samples.size());
    return {flat};  // convex: one start is enough
  }
  Vector values(const Vector& theta) const override {
    Vector values = theta;
    values[0] = std::exp(theta[0]);
    return values;
  }
  Vector coordinates(const Vector& v) const override {
    Vector theta = v;
    theta[0] = std::log(v[0]);
    return theta;
  }

 private:
  std::vector<double> signs_;
};

}  // namespace

Laws tuned_settings() {
  static const TunedSetting step_rate(
      {"step-lr", "lr(N,D) = c D^b / N^a", "Step Law: Li et al. 2025, equation 1"},
      Variable::learning_rate, {Variable::params, Variable::tokens}, {-1, 1},
      {{"c", "learning rate at N = D = 1", "ln c", 1.79, -50, 50, "-"},
       {"a", "exponent of N without embeddings", "a", 0.713, -5, 5, "-"},
       {"b", "exponent of D", "b", 0.307, -5, 5, "-"}});
  static const TunedSetting step_batch(
      {"step-batch", "B(D) = c D^b", "Step Law: Li et al. 2025, equation 1"}, Variable::batch,
      {Variable::tokens}, {1},
      {{"c", "tokens a step at D = 1", "ln c", 0.58, -50, 50, "tokens a step"},
       {"b", "exponent of D", "b", 0.571, -5, 5, "-"}});
  static const TunedSetting deepseek_rate(
      {"deepseek-lr", "lr(C) = c / C^a", "DeepSeek LLM 2024, equation 1"}, Variable::learning_rate,
      {Variable::flops}, {-1},
      {{"c", "learning rate at C = 1", "ln c", 0.3118, -50, 50, "-"},
       {"a", "exponent of C = M D (M: FLOP a token without embeddings)", "a", 0.1250, -5, 5, "-"}});
  static const TunedSetting deepseek_batch(
      {"deepseek-batch", "B(C) = c C^b", "DeepSeek LLM 2024, equation 1"}, Variable::batch,
      {Variable::flops}, {1},
      {{"c", "tokens a step at C = 1", "ln c", 0.2920, -50, 50, "tokens a step"},
       {"b", "exponent of C = M D (M: FLOP a token without embeddings)", "b", 0.3271, -5, 5, "-"}});
  return {&step_rate, &step_batch, &deepseek_rate, &deepseek_batch};
}

}  // namespace isoflop::laws::forms
