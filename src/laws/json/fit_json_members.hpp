// The laws that predict, as fit.json holds them beside the parameters that it shows.
#pragma once

#include "laws/fit/fit.hpp"
#include "laws/json/json_reader.hpp"

namespace isoflop::laws {

/// Fills Fit::members of a fit whose law, method and parameters are read. Throws InputError unless
/// these are the parameters of that law, with the values that the members predict with.
void read_members(const JsonReader& fit_json, Fit& fit);

/// Of the law, or of a frontier, in the order of Fit::parameters.
std::vector<std::string> parameter_names(const Fit& fit);

}  // namespace isoflop::laws
