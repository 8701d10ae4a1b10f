// An optimum as text for people and as JSON for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "laws/optimal.hpp"

namespace isoflop::laws {

/// The ends of an interval of a size: 0 and infinity are no limits.
std::string range_of(const Interval& interval, std::string (*show)(double));
/// The same as JSON, null where there is no limit.
nlohmann::ordered_json json_of_size(const std::optional<Interval>& interval);

std::string describe(const Fit& fit, const Optimum& optimum);
nlohmann::ordered_json json_of(const Optimum& optimum);
std::string to_json(const Optimum& optimum);

}  // namespace isoflop::laws
