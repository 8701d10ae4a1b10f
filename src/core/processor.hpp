// The machine's processor, and how much of it this process may use.
#pragma once

#include <filesystem>
#include <string>

namespace isoflop {

/// "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"; "unknown" where the system does not say.
std::string processor_name();

/// Cores that this process may run on, at least 1: those of its affinity (taskset, a batch system's
/// step), but no more than the limit of its control group (a container's). `groups` is where the
/// system shows those (cgroup v2).
std::size_t usable_cores(const std::filesystem::path& groups = "/sys/fs/cgroup");

}  // namespace isoflop
