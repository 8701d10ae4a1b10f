// The most memory that a stretch of a test takes, what it frees again included.
#pragma once

#include <cstdlib>
#include <fstream>

namespace isoflop::test {

/// peak_resident_bytes() counts from here. False where the system cannot forget.
inline bool forget_peak_memory() {
  std::ofstream file("/proc/self/clear_refs");
  file << 5 << std::flush;
  return file.good();
}

/// Whether what this process takes is what the program asks for. Sanitizers take a shadow of it
/// too, and keep what was freed; cmake/Testing.cmake tells of them.
inline bool is_memory_its_own() { return std::getenv("ISOFLOP_TEST_SANITIZED") == nullptr; }

inline constexpr const char* kMemoryOfSanitizers = "sanitizers take memory beside the program's";

}  // namespace isoflop::test
