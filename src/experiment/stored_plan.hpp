// The plan of a sweep as its directory keeps it, so that the sweep can be looked at and collected
// where the data that it was planned from is not: DIR/plan.json, schema 1.
#pragma once

#include <string>

#include "experiment/plan.hpp"

namespace isoflop::experiment {

/// All but the seconds.
std::string plan_json(const Plan& plan);

/// The plan that plan_json() wrote; `path` is its name in messages. Throws InputError for anything
/// else.
Plan plan_from_json(const std::string& text, const std::string& path);

}  // namespace isoflop::experiment
