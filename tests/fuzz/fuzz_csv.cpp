// POINTS.csv, training curves and SCORES.csv: whatever the bytes, there are either points that a
// fit can prepare (scores that can be examined) or one InputError.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "laws/points/csv.hpp"
#include "laws/points/curves.hpp"
#include "laws/tasks/emergence.hpp"

using isoflop::InputError;
namespace laws = isoflop::laws;

namespace {

template <class Ask>
void attempt(const Ask& ask) {
  try {
    ask();
  } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): refused, as it should be
  }
}

laws::Points read(std::string_view text, std::span<const laws::Variable> needed, laws::Rows kind) {
  std::vector<laws::Variable> every;
  for (const laws::VariableInfo& variable : laws::all_variables())
    every.push_back(variable.variable);
  const laws::Points points = laws::parse_csv(text, "fuzz.csv", {}, needed, kind, every);
  if (points.size() == 0 || points.name.size() != points.size()) std::abort();
  return points;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr laws::Variable kCurve[] = {laws::Variable::steps, laws::Variable::learning_rate,
                                       laws::Variable::loss};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const laws::Rows kind : {laws::Rows::measured, laws::Rows::curves, laws::Rows::asked})
    attempt([&] {
      const laws::Points points = read(text, laws::kUsualColumns, kind);
      conventions_of(points, false);
      laws::merge_repeats(laws::prepare(points));
    });
  attempt([&] { laws::split_curves(laws::prepare(read(text, kCurve, laws::Rows::schedules))); });
  for (const bool log_prob : {false, true})
    attempt([&] {
      for (const laws::TaskScores& task :
           laws::read_scores(text, "fuzz.csv", {}, "", log_prob).tasks)
        if (task.size.size() != task.score.size() || task.size.size() != task.accuracy.size())
          std::abort();
    });
  return 0;
}
