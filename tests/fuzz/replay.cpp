// Runs a fuzz target over the files of its seed corpus: what libFuzzer's own main does for files,
// for compilers without libFuzzer. An input that crashes or throws fails the test.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include "core/atomic_file.hpp"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  int inputs = 0;
  for (int folder = 1; folder < argc; ++folder) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[folder])) {
      const std::string content = isoflop::read_file(entry.path());
      std::printf("%s\n", entry.path().c_str());
      std::fflush(stdout);
      // Every shorter beginning too: readers must notice that a file was cut.
      for (std::size_t size = 0; size <= content.size(); ++size)
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(content.data()), size);
      ++inputs;
    }
  }
  std::printf("%d inputs and their beginnings\n", inputs);
  return inputs > 0 ? 0 : 1;
}
