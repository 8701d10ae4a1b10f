// Which run a directory holds, and whether a finished one is whole. Who trains and who collects ask
// here, so that they agree.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace isoflop::record {

/// The run that has claimed the directory: what DIR/run_id says; empty when nobody has.
std::string claimant(const std::filesystem::path& run_directory);

/// What the run.h5 of a finished run is instead of its record: "missing", "damaged" or "of run X".
/// The mark was written last, so it was harmed since, and nothing can be taken from it. None: it is
/// whole. Error when the system does not let it be read, or another version wrote it: it may be
/// whole.
std::optional<std::string> find_harm(const std::filesystem::path& run_directory,
                                     const std::string& run);

}  // namespace isoflop::record
