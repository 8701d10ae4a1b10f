// fit.json: whatever the bytes, there is either a fit that is written and read again as the same
// text and can be asked for predictions, or one InputError.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/plan/optimal.hpp"
#include "laws/plan/optimal_report.hpp"
#include "laws/predict/report.hpp"

using isoflop::InputError;
namespace laws = isoflop::laws;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const laws::Fit fit = laws::fit_from_json(text, "fuzz.json");
    const std::string written = to_json(fit);
    if (to_json(laws::fit_from_json(written, "again")) != written) std::abort();
    describe(fit);
    describe(fit, {laws::predict(fit, 1e9, 2e10)});
    describe(fit, laws::optimal(fit, 1e21));
  } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): refused, as it should be
  }
  return 0;
}
