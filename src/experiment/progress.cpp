#include "experiment/progress.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "record/run_reader.hpp"

namespace isoflop::experiment {

std::optional<RunProgress> read_progress(const std::filesystem::path& run_directory) {
  constexpr std::size_t kLately = 50;  // steps
  const std::filesystem::path file = run_directory / "run.h5";
  if (!std::filesystem::exists(file)) return std::nullopt;
  record::RunData data;
  try {
    data = record::read_run(file);
  } catch (const Error&) {
    return std::nullopt;  // it is just being made or replaced
  }
  if (data.train.empty()) return std::nullopt;
  const record::TrainRow& last = data.train.back();
  const record::TrainRow& before =
      data.train[data.train.size() - std::min(kLately, data.train.size())];
  RunProgress progress{last.step, last.loss, 0};
  if (last.seconds > before.seconds) {
    progress.tokens_per_second =
        static_cast<double>(last.tokens - before.tokens) / (last.seconds - before.seconds);
  }
  return progress;
}

}  // namespace isoflop::experiment
