// Pieces of JSON that several writers share. JSON has no NaN and no infinity: both become null.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "laws/fit/interval.hpp"

namespace isoflop::laws {

using Json = nlohmann::ordered_json;

inline Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

inline Json number(const std::optional<double>& value) {
  return value ? number(*value) : Json(nullptr);
}

inline Json json_of(const std::optional<Interval>& interval) {
  if (!interval) return nullptr;
  return {{"level", interval->level},
          {"low", number(interval->low)},
          {"high", number(interval->high)},
          {"covers", interval->covers},
          {"not_calibrated",
           interval->not_calibrated.empty() ? Json(nullptr) : Json(interval->not_calibrated)},
          {"measured_coverage", number(interval->measured_coverage)}};
}

/// One top-level key a line.
inline std::string lines(const Json& object) {
  std::string text = "{\n";
  bool first = true;
  for (const auto& [key, value] : object.items()) {
    text += fmt::format("{}  {}: {}", first ? "" : ",\n", Json(key).dump(), value.dump());
    first = false;
  }
  return text + "\n}\n";
}

}  // namespace isoflop::laws
