// What the points themselves say against a fit: each warning names the fact and the remedy.
#pragma once

#include <span>

#include "laws/fit.hpp"
#include "laws/law.hpp"

namespace isoflop::laws {

void add_data_warnings(const Points& prepared, std::span<const Variable> variables, Fit& result);

}  // namespace isoflop::laws
