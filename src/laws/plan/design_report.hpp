// Suggested runs as text for people and as JSON for programs.
#pragma once

#include <string>

#include "laws/plan/design.hpp"

namespace isoflop::laws {

std::string describe(const Design& design, const DesignOptions& options);
std::string to_json(const Design& design, const DesignOptions& options);

}  // namespace isoflop::laws
