// Fits and predictions as text for people.
#pragma once

#include <string>
#include <vector>

#include "laws/fit/fit.hpp"
#include "laws/predict/predict.hpp"

namespace isoflop::laws {

/// Parameters with intervals, goodness of fit, budgets, notes, warnings; ends in a newline.
std::string describe(const Fit& fit);
std::string describe(const Fit& fit, const std::vector<Prediction>& predictions);
/// Who predicts and plans: "chinchilla [approach3]", "ensemble of 6 laws".
std::string describe_predictor(const Fit& fit);
/// The table of laws.
std::string describe_laws();

}  // namespace isoflop::laws
