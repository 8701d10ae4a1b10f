// The JSON of predictions.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "laws/predict/predict.hpp"

namespace isoflop::laws {

std::string to_json(const Prediction& prediction);
/// The members of the object {"points": [...]}, in the order given: everything between its braces.
void write_members(std::ostream& out, const std::vector<Prediction>& predictions);

}  // namespace isoflop::laws
