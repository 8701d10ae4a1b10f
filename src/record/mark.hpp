// The marks of a run directory: one line of JSON that names the program, written last, whole or not
// at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace isoflop::record {

/// DIR/finished. `loss`: nats/token.
void mark_finished(const std::filesystem::path& run_directory, std::int64_t step, double loss);

/// DIR/failed. `step`: the one that failed; who sees a run from outside knows none.
void mark_failed(const std::filesystem::path& run_directory, const std::string& reason,
                 std::optional<std::int64_t> step = std::nullopt);

}  // namespace isoflop::record
