// Keys of [parallel] that rule each other out on any number of ranks. Pure.
#pragma once

#include <optional>
#include <string>

#include "config/run_config.hpp"

namespace isoflop::config {

struct Conflict {
  std::string key;   // of [parallel]: "zero"
  std::string text;  // what was seen, what is needed
};

/// The first one, if there is any. Also of a configuration that is not resolved.
std::optional<Conflict> find_conflict(const ParallelConfig& parallel, const TrainConfig& train);

}  // namespace isoflop::config
