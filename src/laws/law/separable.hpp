// Variable projection (Golub & Pereyra 1973) for sums of powers y = sum_k c_k exp(-e_k x_k).
//
// For fixed exponents e the coefficients c >= 0 of
//
//   R(e) = min_c sum_i w_i (sum_k c_k exp(-e_k x_ik) / y_i - 1)^2
//
// follow from a linear system of at most three unknowns; only the exponents are searched, by
// Gauss-Newton steps with Kaufman's Jacobian from the local minima of a grid. Relative misses are
// ln misses to first order, so the minima are starts next to the optimum of any robust objective.
#pragma once

#include <vector>

#include "laws/law/law.hpp"

namespace isoflop::laws {

/// One term: which column of a row it reads (-1: none, a constant) and which exponent it has
/// (-1: none; -2: fixed at 1).
struct SeparableTerm {
  int column = -1;
  int exponent = -1;
};

/// A minimum of R. Coefficients are logarithms; that of a term that vanished is far below the data.
struct SeparableMinimum {
  std::vector<double> exponents;
  std::vector<double> log_coefficients;  // one a term
  double value = 0;                      // R
};

/// The minima of R, lowest first, at most four; `samples.y` are ln y. At most three terms and two
/// exponents.
std::vector<SeparableMinimum> minimise_separable(const std::vector<SeparableTerm>& terms,
                                                 std::size_t exponents, const Samples& samples);

}  // namespace isoflop::laws
