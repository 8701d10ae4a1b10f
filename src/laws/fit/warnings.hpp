// What the points themselves say against a fit: each warning names the fact and the remedy.
#pragma once

#include <span>
#include <string>

#include "laws/fit/fit.hpp"
#include "laws/law/law.hpp"

namespace isoflop::laws {

/// Of a quantity whose values span too little for an exponent; empty: they do not, or the law has
/// none.
std::string describe_narrow(const Law& law, Variable variable, const Range& fitted);

/// Where a law of params and tokens has seen about one compute; empty: it has seen more.
std::string describe_one_budget(std::span<const Variable> variables, const Range& flops);

void add_data_warnings(const Points& prepared, std::span<const Variable> variables, Fit& result);

}  // namespace isoflop::laws
