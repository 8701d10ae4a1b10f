// POINTS.csv: whatever the bytes, there are either points that a fit can prepare or one InputError.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "laws/csv.hpp"

using isoflop::InputError;
namespace laws = isoflop::laws;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const laws::Rows kind : {laws::Rows::measured, laws::Rows::asked}) {
    try {
      const laws::Points points = laws::parse_csv(text, "fuzz.csv", {}, laws::kUsualColumns, kind);
      if (points.size() == 0 || points.name.size() != points.size()) std::abort();
      conventions_of(points, false);
      laws::prepare(points);
    } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): refused, as it should be
    }
  }
  return 0;
}
