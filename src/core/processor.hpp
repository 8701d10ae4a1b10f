// The machine's processor, as the system calls it.
#pragma once

#include <string>

namespace isoflop {

/// "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"; "unknown" where the system does not say.
std::string processor_name();

}  // namespace isoflop
