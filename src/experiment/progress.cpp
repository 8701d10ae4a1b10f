#include "experiment/progress.hpp"

#include <vector>

#include "core/error.hpp"
#include "record/run_reader.hpp"

namespace isoflop::experiment {

std::optional<RunProgress> read_progress(const std::filesystem::path& run_directory) {
  constexpr std::size_t kLately = 50;  // steps
  const std::filesystem::path file = run_directory / "run.h5";
  std::error_code unreadable;
  if (!std::filesystem::exists(file, unreadable)) return std::nullopt;
  std::vector<record::TrainRow> steps;
  try {
    steps = record::read_last_steps(file, kLately);
  } catch (const Error&) {
    return std::nullopt;  // it is just being made or replaced
  }
  if (steps.empty()) return std::nullopt;
  const record::TrainRow& before = steps.front();
  const record::TrainRow& last = steps.back();
  RunProgress progress{last.step, last.loss, 0};
  if (last.seconds > before.seconds) {
    progress.tokens_per_second =
        static_cast<double>(last.tokens - before.tokens) / (last.seconds - before.seconds);
  }
  return progress;
}

}  // namespace isoflop::experiment
