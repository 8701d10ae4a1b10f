// Predicted seconds of runs and of a whole sweep.
//
// A run costs its own tokens and the evaluations on the validation split (a forward pass: a third
// of a training step a token), divided by a rate in training tokens a second. The rate of a shape
// is measured once on this machine and kept in DIR/calibration.json.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "experiment/plan.hpp"

namespace isoflop::experiment {

/// What decides the rate of a run on this machine: shape, precision, micro-batch, processor.
std::string rate_key(const config::RunConfig& config);

/// Training tokens a second, by rate_key.
class Rates {
 public:
  /// Those that `file` holds; none when it is not there. A file that cannot be understood counts
  /// as empty: everything in it can be measured again.
  explicit Rates(std::filesystem::path file);

  std::optional<double> find(const config::RunConfig& config) const;

  /// Keeps a measurement, in the file too.
  void add(const config::RunConfig& config, double tokens_per_second);

 private:
  std::filesystem::path file_;
  std::map<std::string, double> rates_;
};

/// Assumed where nothing was measured, exact FLOP/s of one core.
inline constexpr double kAssumedFlops = 1e10;

/// Fills in PlannedRun::seconds. `measure` gives the rate of a run whose shape has none, or nothing
/// when it cannot; then kAssumedFlops stands in and a note says so.
void predict_seconds(Plan& plan, Rates& rates,
                     const std::function<std::optional<double>(const PlannedRun&)>& measure);

/// The seconds from a run's start to the end of whatever waits for it: with several processes the
/// longest of these starts first.
std::vector<double> critical_seconds(const Plan& plan);

/// Wall time of the runs for which `remaining` is positive (seconds of own training left) with
/// `jobs` processes at once.
double wall_seconds(const Plan& plan, std::vector<double> remaining, std::size_t jobs);

/// Bytes of the `jobs` largest processes together, of the runs that `counts` (as long as plan.runs)
/// names.
std::int64_t memory_at_once(const Plan& plan, const std::vector<bool>& counts, std::size_t jobs);

}  // namespace isoflop::experiment
