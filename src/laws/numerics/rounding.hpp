// What rounding leaves open in values that were copied from print.
#pragma once

#include <optional>

namespace isoflop::laws {

/// Half a unit of the last of at most 4 digits; empty when the value has more, as fitted ones have,
/// or is none.
std::optional<double> half_last_digit(double value);

}  // namespace isoflop::laws
