// The most memory that a stretch of a test takes, what it frees again included.
#pragma once

#include <fstream>

namespace isoflop::test {

/// peak_resident_bytes() counts from here. False where the system cannot forget.
inline bool forget_peak_memory() {
  std::ofstream file("/proc/self/clear_refs");
  file << 5 << std::flush;
  return file.good();
}

}  // namespace isoflop::test
