#include "laws/law/power_sum.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/law/separable.hpp"

namespace isoflop::laws {

void PowerSumLaw::set_terms(std::vector<Term> terms, int outer) {
  ISOFLOP_EXPECT(terms.size() <= kMaxTerms);
  count_ = terms.size();
  std::copy(terms.begin(), terms.end(), terms_);
  outer_ = outer;
}

double PowerSumLaw::evaluate(const double* x, const double* theta, double* gradient,
                             double* hessian) const {
  double exponent_of[kMaxTerms];
  double share[kMaxTerms];
  double largest = -std::numeric_limits<double>::infinity();
  for (std::size_t k = 0; k < count_; ++k) {
    const Term& term = terms_[k];
    exponent_of[k] = theta[term.coefficient];
    if (term.exponent >= 0) exponent_of[k] -= theta[term.exponent] * x[term.variable];
    if (term.exponent == kUnitExponent) exponent_of[k] -= x[term.variable];
    largest = std::max(largest, exponent_of[k]);
  }
  double sum = 0;
  for (std::size_t k = 0; k < count_; ++k) {
    share[k] = exponent_of[k] == largest ? 1.0 : std::exp(exponent_of[k] - largest);
    sum += share[k];
  }
  const double log_sum = largest + std::log(sum);
  const double outer = outer_ >= 0 ? theta[outer_] : 1.0;
  if (gradient == nullptr) return outer * log_sum;

  const std::size_t n = size();
  std::fill(gradient, gradient + n, 0.0);  // first the gradient of log_sum
  for (std::size_t k = 0; k < count_; ++k) {
    const Term& term = terms_[k];
    share[k] /= sum;
    gradient[term.coefficient] += share[k];
    if (term.exponent >= 0) gradient[term.exponent] -= share[k] * x[term.variable];
  }
  if (hessian != nullptr) {
    // of log_sum: sum_k share_k u_k u_k^T - g g^T, where u_k is the gradient of t_k
    for (std::size_t row = 0; row < n; ++row)
      for (std::size_t column = 0; column <= row; ++column)
        hessian[row * kMaxParameters + column] = -outer * gradient[row] * gradient[column];
    for (std::size_t k = 0; k < count_; ++k) {
      const Term& term = terms_[k];
      const double weight = outer * share[k];
      hessian[static_cast<std::size_t>(term.coefficient) * (kMaxParameters + 1)] += weight;
      if (term.exponent < 0) continue;
      const auto low = static_cast<std::size_t>(std::min(term.coefficient, term.exponent));
      const auto high = static_cast<std::size_t>(std::max(term.coefficient, term.exponent));
      const double slope = x[term.variable];
      hessian[high * kMaxParameters + low] -= weight * slope;
      hessian[static_cast<std::size_t>(term.exponent) * (kMaxParameters + 1)] +=
          weight * slope * slope;
    }
  }
  if (outer_ >= 0) {
    const auto m = static_cast<std::size_t>(outer_);
    for (std::size_t i = 0; i < n; ++i) {
      if (hessian != nullptr && i != m)
        hessian[std::max(i, m) * kMaxParameters + std::min(i, m)] = gradient[i];
      gradient[i] *= outer;
    }
    gradient[m] = log_sum;
  }
  return outer * log_sum;
}

std::vector<Vector> PowerSumLaw::projected_starts(const Samples& samples) const {
  std::vector<int> exponents;  // their positions in theta
  std::vector<SeparableTerm> terms;
  for (std::size_t k = 0; k < count_; ++k) {
    const Term& term = terms_[k];
    SeparableTerm one{term.exponent == kConstant ? -1 : term.variable,
                      term.exponent == kUnitExponent ? -2 : -1};
    if (term.exponent >= 0) {
      const auto known = std::find(exponents.begin(), exponents.end(), term.exponent);
      one.exponent = static_cast<int>(known - exponents.begin());
      if (known == exponents.end()) exponents.push_back(term.exponent);
    }
    terms.push_back(one);
  }
  std::vector<Vector> starts;
  if (outer_ >= 0 || exponents.empty() || exponents.size() > 2) return starts;
  for (const SeparableMinimum& minimum : minimise_separable(terms, exponents.size(), samples)) {
    Vector theta{};
    for (std::size_t j = 0; j < exponents.size(); ++j)
      theta[static_cast<std::size_t>(exponents[j])] = minimum.exponents[j];
    for (std::size_t k = 0; k < count_; ++k)
      theta[static_cast<std::size_t>(terms_[k].coefficient)] = minimum.log_coefficients[k];
    starts.push_back(theta);
  }
  return starts;
}

void PowerSumLaw::balance(const Samples& samples, Vector& theta) const {
  const auto n = static_cast<double>(samples.size());
  double mean_y = 0;
  for (const double y : samples.y) mean_y += y / n;
  const double outer = outer_ >= 0 ? theta[static_cast<std::size_t>(outer_)] : 1.0;
  for (std::size_t k = 0; k < count_; ++k) {
    const Term& term = terms_[k];
    double target = mean_y / outer - std::log(static_cast<double>(count_));
    if (term.exponent != kConstant) {
      double mean_x = 0;
      for (std::size_t i = 0; i < samples.size(); ++i) mean_x += samples.row(i)[term.variable] / n;
      const bool is_unit = term.exponent == kUnitExponent;
      target += (is_unit ? 1.0 : theta[static_cast<std::size_t>(term.exponent)]) * mean_x;
    }
    theta[static_cast<std::size_t>(term.coefficient)] = target;
  }
}

}  // namespace isoflop::laws
