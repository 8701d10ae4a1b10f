// How far a run is, read from its record while it is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace isoflop::experiment {

struct RunProgress {
  std::int64_t step = 0;
  double loss = 0;               // nats/token, of the last step
  double tokens_per_second = 0;  // of late; 0: too early to say
};

/// Nothing while there is no record to read yet.
std::optional<RunProgress> read_progress(const std::filesystem::path& run_directory);

}  // namespace isoflop::experiment
