// Reads run.h5 at any time: while it is written, after its writer was killed, after it ended.
#pragma once

#include <filesystem>

#include "core/error.hpp"
#include "record/run_data.hpp"

namespace isoflop::record {

/// The file can be read, but what it holds is another version's or, Damaged, no record at all.
class Unusable : public InputError {
 public:
  using InputError::InputError;
};

/// The bytes are no run record's, or no whole one's.
class Damaged : public Unusable {
 public:
  using Unusable::Unusable;
};

/// Every row that was flushed. While the run goes on or was killed, outcome.status is "running".
/// Damaged for a file that is no run record, Unusable for one of another version; Error or
/// InputError, whatever can be done about it, when it cannot be read. All name the path.
RunData read_run(const std::filesystem::path& path);

/// The last `most` training rows alone, in the order of the steps; fewer when there are fewer. As
/// cheap for a long run as for a short one.
std::vector<TrainRow> read_last_steps(const std::filesystem::path& path, std::size_t most);

}  // namespace isoflop::record
