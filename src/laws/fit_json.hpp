// fit.json and the JSON of predictions.
//
// fit.json holds every number in full precision (a re-read fit predicts the same bits and writes
// the same text), one top-level key a line, the bootstrap draws last. Keys: see
// docs/reference/fit-json.md.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "laws/fit.hpp"
#include "laws/predict.hpp"

namespace isoflop::laws {

inline constexpr int kFitFormat = 6;

std::string to_json(const Fit& fit);

/// Throws InputError "NAME: KEY: ..." for text that is not a fit, and for one whose parts
/// contradict each other.
Fit fit_from_json(std::string_view text, const std::string& name);

std::string to_json(const Prediction& prediction);
/// The members of the object {"points": [...]}, in the order given: everything between its braces.
void write_members(std::ostream& out, const std::vector<Prediction>& predictions);

}  // namespace isoflop::laws
