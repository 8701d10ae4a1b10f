// A number with its exact first and second derivatives by N parameters (forward-mode automatic
// differentiation). `Second` false: first derivatives only.
//
//   Jet<2> a = Jet<2>::parameter(0, 3.0), b = Jet<2>::parameter(1, 2.0);
//   Jet<2> c = exp(a * 0.5) / b;            // c.value, c.gradient[i], c.hessian of (i, j), j <= i
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

namespace isoflop::laws {

template <std::size_t N, bool Second = true>
struct Jet {
  static constexpr std::size_t kPairs = Second ? N * (N + 1) / 2 : 0;
  double value = 0;
  std::array<double, N> gradient{};
  std::array<double, kPairs> hessian{};  // row i, column j <= i at i (i + 1) / 2 + j

  Jet() = default;
  Jet(double constant) : value(constant) {}  // NOLINT: constants mix with jets in formulas
  static Jet parameter(std::size_t position, double value) {
    Jet jet(value);
    jet.gradient[position] = 1;
    return jet;
  }

  /// f(this) from f, f' and f'' at `value`.
  Jet chain(double f, double first, double second) const {
    Jet result(f);
    for (std::size_t i = 0; i < N; ++i) result.gradient[i] = first * gradient[i];
    if constexpr (Second) {
      std::size_t k = 0;
      for (std::size_t i = 0; i < N; ++i)
        for (std::size_t j = 0; j <= i; ++j, ++k)
          result.hessian[k] = first * hessian[k] + second * gradient[i] * gradient[j];
    }
    return result;
  }

  /// a x + b y for jets x, y.
  static Jet combine(double a, const Jet& x, double b, const Jet& y) {
    Jet result(a * x.value + b * y.value);
    for (std::size_t i = 0; i < N; ++i) result.gradient[i] = a * x.gradient[i] + b * y.gradient[i];
    for (std::size_t k = 0; k < kPairs; ++k)
      result.hessian[k] = a * x.hessian[k] + b * y.hessian[k];
    return result;
  }

  friend Jet operator+(const Jet& x, const Jet& y) { return combine(1, x, 1, y); }
  friend Jet operator-(const Jet& x, const Jet& y) { return combine(1, x, -1, y); }
  friend Jet operator-(const Jet& x) { return x.scaled(-1); }
  friend Jet operator+(const Jet& x, double y) { return x.shifted(y); }
  friend Jet operator+(double x, const Jet& y) { return y.shifted(x); }
  friend Jet operator-(const Jet& x, double y) { return x.shifted(-y); }
  friend Jet operator-(double x, const Jet& y) { return y.scaled(-1).shifted(x); }
  friend Jet operator*(const Jet& x, double y) { return x.scaled(y); }
  friend Jet operator*(double x, const Jet& y) { return y.scaled(x); }
  friend Jet operator/(const Jet& x, double y) { return x.scaled(1 / y); }
  friend Jet operator/(const Jet& x, const Jet& y) { return x * inverse(y); }
  friend Jet operator/(double x, const Jet& y) { return inverse(y).scaled(x); }

  friend Jet operator*(const Jet& x, const Jet& y) {
    Jet result = combine(y.value, x, x.value, y);
    result.value = x.value * y.value;
    if constexpr (Second) {
      std::size_t k = 0;
      for (std::size_t i = 0; i < N; ++i)
        for (std::size_t j = 0; j <= i; ++j, ++k)
          result.hessian[k] += x.gradient[i] * y.gradient[j] + y.gradient[i] * x.gradient[j];
    }
    return result;
  }

  friend Jet inverse(const Jet& x) {
    const double r = 1 / x.value;
    return x.chain(r, -r * r, 2 * r * r * r);
  }
  friend Jet exp(const Jet& x) {
    const double e = std::exp(x.value);
    return x.chain(e, e, e);
  }
  friend Jet log(const Jet& x) {
    const double r = 1 / x.value;
    return x.chain(std::log(x.value), r, -r * r);
  }
  friend Jet log1p(const Jet& x) {
    const double r = 1 / (1 + x.value);
    return x.chain(std::log1p(x.value), r, -r * r);
  }
  friend Jet expm1(const Jet& x) {
    const double e = std::exp(x.value);
    return x.chain(std::expm1(x.value), e, e);
  }

 private:
  Jet scaled(double factor) const {
    Jet result(factor * value);
    for (std::size_t i = 0; i < N; ++i) result.gradient[i] = factor * gradient[i];
    for (std::size_t k = 0; k < kPairs; ++k) result.hessian[k] = factor * hessian[k];
    return result;
  }
  Jet shifted(double constant) const {
    Jet result = *this;
    result.value += constant;
    return result;
  }
};

inline double value_of(double x) { return x; }
template <std::size_t N, bool Second>
double value_of(const Jet<N, Second>& x) {
  return x.value;
}

/// ln(exp(x) + exp(y)) without overflow, for doubles and jets.
template <class T>
T log_sum_exp(const T& x, const T& y) {
  using std::exp, std::log1p;
  return value_of(x) < value_of(y) ? y + log1p(exp(x - y)) : x + log1p(exp(y - x));
}

/// 1 / (1 + exp(-x)) without overflow of the value or of a derivative, for doubles and jets.
template <class T>
T logistic(const T& x) {
  using std::exp;
  if (value_of(x) >= 0) return 1.0 / (1.0 + exp(-x));
  const T e = exp(x);
  return e / (1.0 + e);
}

}  // namespace isoflop::laws
