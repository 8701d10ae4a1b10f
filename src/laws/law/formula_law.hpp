// A law that only writes its formula; exact derivatives follow from it (jet.hpp).
//
//   class Mine final : public FormulaLaw<Mine, 3> {
//    public:
//     template <class T>                                     // T: double or a Jet of 3 parameters
//     static T compute(const double* x, const T* theta) {    // the response on the law's scale
//       return theta[0] + log1p(exp(theta[1] - theta[2] * x[0]));
//     }
//
// Some ten times slower than derivatives by hand: right for laws that are fitted to hundreds of
// points.
#pragma once

#include <array>

#include "laws/law/law.hpp"
#include "laws/numerics/jet.hpp"

namespace isoflop::laws {

template <class Form, std::size_t N>
class FormulaLaw : public Law {
 public:
  static_assert(N <= kMaxParameters);

  double evaluate(const double* x, const double* theta, double* gradient,
                  double* hessian) const final {
    if (gradient == nullptr) return Form::template compute<double>(x, theta);
    if (hessian == nullptr) return differentiate<false>(x, theta, gradient).value;
    const auto result = differentiate<true>(x, theta, gradient);
    std::size_t k = 0;
    for (std::size_t i = 0; i < N; ++i)
      for (std::size_t j = 0; j <= i; ++j, ++k) hessian[i * kMaxParameters + j] = result.hessian[k];
    return result.value;
  }

 private:
  FormulaLaw() = default;
  friend Form;

  template <bool Second>
  static Jet<N, Second> differentiate(const double* x, const double* theta, double* gradient) {
    using T = Jet<N, Second>;
    std::array<T, N> parameters;
    for (std::size_t i = 0; i < N; ++i) parameters[i] = T::parameter(i, theta[i]);
    const T result = Form::template compute<T>(x, parameters.data());
    for (std::size_t i = 0; i < N; ++i) gradient[i] = result.gradient[i];
    return result;
  }
};

}  // namespace isoflop::laws
