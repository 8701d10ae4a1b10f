// An optimum as text for people and as JSON for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "laws/plan/optimal.hpp"

namespace isoflop::laws {

std::string describe(const Fit& fit, const Optimum& optimum);
nlohmann::ordered_json json_of(const Optimum& optimum);
std::string to_json(const Optimum& optimum);

}  // namespace isoflop::laws
