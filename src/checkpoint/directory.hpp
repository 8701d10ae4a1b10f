// Where checkpoints lie: RUN_DIR/checkpoint/step-<n>/ with state.h5 and, written last, `complete`.
// Without that mark a checkpoint does not exist for anybody.
//
// One process calls what changes files; it holds the run directory's lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

namespace isoflop::checkpoint {

std::filesystem::path step_directory(const std::filesystem::path& run_directory, std::int64_t step);

std::filesystem::path state_file(const std::filesystem::path& directory);
std::filesystem::path complete_mark(const std::filesystem::path& directory);

/// Steps of the complete checkpoints, ascending; none where there is no folder for them. Throws
/// Error or InputError when the folder cannot be listed.
std::vector<std::int64_t> complete_steps(const std::filesystem::path& run_directory);

/// Renames the checkpoint of `step` to damaged-step-<n>, where nobody looks for one.
void set_aside(const std::filesystem::path& run_directory, std::int64_t step);

/// Removes complete checkpoints but the `keep` newest of those that are not protected, and what
/// interrupted saves left. Protected ones stay and do not count.
void prune(const std::filesystem::path& run_directory, std::size_t keep,
           const std::function<bool(std::int64_t step)>& is_protected);

}  // namespace isoflop::checkpoint
