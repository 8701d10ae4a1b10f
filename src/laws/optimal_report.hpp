// An optimum as text for people and as JSON for programs.
#pragma once

#include <string>

#include "laws/optimal.hpp"

namespace isoflop::laws {

std::string describe(const Fit& fit, const Optimum& optimum);
std::string to_json(const Optimum& optimum);

}  // namespace isoflop::laws
