// Bootstrap draws of a robust fit, each optimised anew.
//
//   pairs      points (whole groups where points have groups) drawn with replacement: right for
//              any noise, and for designs that were themselves a choice
//   residuals  every point stays; what the law misses is drawn with replacement among points:
//              y*_i = f_i + r_j sqrt(w_j/w_i) sqrt(n/(n - p)). Tighter where a few points carry the
//              fit; wrong when noise differs between them or the law does not fit
//
// Residuals are not centred: at a Huber optimum the sum of their slopes vanishes, not their mean.
#pragma once

#include "laws/fit/fit.hpp"
#include "laws/law/law.hpp"

namespace isoflop::laws {

/// Throws InputError for residuals of points in groups, and of a law that fits several rows a
/// point.
Draws draw_again(const Points& prepared, const Law& law, const Samples& samples,
                 const FitOptions& options, const Vector& optimum);

}  // namespace isoflop::laws
