// Writes a whole run.h5 at once: beside its place, then renamed over it, so that `path` is a valid
// record at every moment.
#pragma once

#include <filesystem>

#include "record/run_data.hpp"

namespace isoflop::record {

/// InputError when the disk is full; `path` is then what it was before.
void write_run(const std::filesystem::path& path, const RunData& data);

/// Makes the record of a killed run readable by every program again (h5py without swmr=True, links
/// from results.h5). Nothing is lost or added; nothing happens to a file that was closed properly.
/// Only when no process trains the run (its lock is free).
void mend_run(const std::filesystem::path& path);

}  // namespace isoflop::record
