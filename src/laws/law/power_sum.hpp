// The family behind most scaling laws: a sum of powers, perhaps raised to a power,
//
//   ln y = m ln sum_k exp(t_k),   t_k = theta[coefficient] - theta[exponent] x[variable]
//
// (the log-sum-exp form of Hoffmann et al. 2022, appendix D.3), with exact first and second
// derivatives by theta.
#pragma once

#include "laws/law/law.hpp"

namespace isoflop::laws {

class PowerSumLaw : public Law {
 public:
  static constexpr int kConstant = -1;  // an exponent of 0: t_k = theta[coefficient]
  static constexpr int kUnitExponent =
      -2;  // an exponent of 1: t_k = theta[coefficient] - x[variable]
  struct Term {
    int coefficient;           // position in theta
    int exponent = kConstant;  // position in theta, or one of the two above
    int variable = 0;          // position in x
  };

  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const override;
  /// By separable.hpp, for m = 1.
  std::vector<Vector> projected_starts(const Samples& samples) const override;

 protected:
  static constexpr std::size_t kMaxTerms = 3;
  /// `outer`: position of m in theta; -1: m = 1.
  void set_terms(std::vector<Term> terms, int outer = -1);

  /// Puts the coefficients so that every term has an equal share of the mean of the data, given the
  /// exponents (and m) in `theta`: a start near the data for any unit.
  void balance(const Samples& samples, Vector& theta) const;

 private:
  std::size_t count_ = 0;
  Term terms_[kMaxTerms] = {};
  int outer_ = -1;
};

}  // namespace isoflop::laws
