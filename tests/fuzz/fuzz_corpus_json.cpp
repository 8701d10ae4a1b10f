// corpus.json: a corpus description or one InputError.
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "data/corpus_file.hpp"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    isoflop::data::parse_corpus_file({reinterpret_cast<const char*>(data), size}, "corpus.json");
  } catch (const isoflop::InputError&) {  // NOLINT(bugprone-empty-catch): refused, as it should be
  }
  return 0;
}
