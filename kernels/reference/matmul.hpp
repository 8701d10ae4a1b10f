// The judge of every matmul: plain loops in double over the stored values. Operands and shapes as
// in kernels/api/matmul.hpp; `magnitude` receives sum |a b|, to which its tolerance is relative.
#pragma once

#include <cmath>
#include <cstddef>

#include "kernels/api/matmul.hpp"

namespace isoflop::kernels::reference {

struct Product {
  double value;      // c + sum a b
  double magnitude;  // |c| + sum |a b|
};

/// start + sum over depth of a [depth, a_step] * b [depth, b_step].
template <class T>
Product dot(double start, std::size_t depth, const T* a, std::size_t a_step, const T* b,
            std::size_t b_step) {
  Product sum{start, std::abs(start)};
  for (std::size_t i = 0; i < depth; ++i) {
    const double term =
        static_cast<double>(float(a[i * a_step])) * static_cast<double>(float(b[i * b_step]));
    sum.value += term;
    sum.magnitude += std::abs(term);
  }
  return sum;
}

/// Element (row, column) of y [m, n] = x [m, k] w [n, k]^T.
template <class T>
Product matmul_forward(MatmulShape shape, const T* x, const T* w, std::size_t row,
                       std::size_t column) {
  return dot(0.0, shape.k, x + row * shape.k, 1, w + column * shape.k, 1);
}

/// Element (row, column) of dx [m, k] = dy [m, n] w [n, k].
template <class T>
Product matmul_data_gradient(MatmulShape shape, const T* dy, const T* w, std::size_t row,
                             std::size_t column) {
  return dot(0.0, shape.n, dy + row * shape.n, 1, w + column, shape.k);
}

/// Element (row, column) of dw [n, k] + dy [m, n]^T x [m, k]; `before` is dw's.
template <class T>
Product matmul_weight_gradient(MatmulShape shape, const T* dy, const T* x, float before,
                               std::size_t row, std::size_t column) {
  return dot(static_cast<double>(before), shape.m, dy + row, shape.n, x + column, shape.k);
}

}  // namespace isoflop::kernels::reference
