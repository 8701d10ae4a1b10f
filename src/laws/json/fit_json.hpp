// fit.json holds every number in full precision (a re-read fit predicts the same bits and writes
// the same text), one top-level key a line, the bootstrap draws last. Keys: see
// docs/reference/fit-json.md.
#pragma once

#include <string>
#include <string_view>

#include "laws/fit/fit.hpp"

namespace isoflop::laws {

inline constexpr int kFitFormat = 7;

std::string to_json(const Fit& fit);

/// Throws InputError "NAME: KEY: ..." for text that is not a fit, and for one whose parts
/// contradict each other.
Fit fit_from_json(std::string_view text, const std::string& name);

}  // namespace isoflop::laws
