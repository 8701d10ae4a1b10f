// Fits and predictions as text for people.
#pragma once

#include <string>
#include <vector>

#include "laws/fit.hpp"
#include "laws/predict.hpp"

namespace isoflop::laws {

/// Parameters with intervals, goodness of fit, budgets, notes, warnings; ends in a newline.
std::string describe(const Fit& fit);
std::string describe(const Fit& fit, const std::vector<Prediction>& predictions);
/// The table of laws.
std::string describe_laws();

/// 72.3B, 1.33T: a count in powers of a thousand, three digits.
std::string short_count(double count);

}  // namespace isoflop::laws
