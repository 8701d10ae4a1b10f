// Task scores along scale: a continuous score beside the exact-match one.
//
// Exact match over k tokens is about p^k, so a smooth gain in the probability of the right answer
// looks like a jump (Schaeffer et al. 2023, arXiv 2304.15004). For each task this report tests
// both scores for trends (trend.hpp), says where the change happens in each, links them by
//
//   accuracy = chance + (ceiling - chance) exp(-k score),
//
// and extrapolates the score, never the accuracy by itself, and only when it improves: inverse,
// U-shaped and absent trends are named and left alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "laws/numerics/trend.hpp"
#include "laws/points/csv_rows.hpp"
#include "laws/predict/predict.hpp"

namespace isoflop::laws {

/// Runs of one task, a row each.
struct TaskScores {
  std::string task;
  std::vector<double> size;      // N, D or C
  std::vector<double> score;     // lower is better: loss or bits a byte of the right answer
  std::vector<double> accuracy;  // exact match, 0 to 1
  std::vector<double> items;     // that accuracy is a share of; empty: unknown
};

struct EmergenceOptions {
  Variable size = Variable::flops;  // what the sizes are: for messages
  double chance = 0;                // accuracy of guessing
  double ceiling = 1;               // accuracy of a perfect model (label errors lower it)
  std::optional<double> at;         // size to extrapolate to
  double level = 0.8;
  std::uint64_t seed = 1;
};

enum class Place { between, at_chance, below_chance, at_ceiling };

struct ScorePoint {
  double size = 0;
  double score = 0;
  double accuracy = 0;
  std::optional<double> deviation;  // of accuracy by the number of items
  Place place = Place::between;     // within two deviations of the end
};

/// accuracy = chance + (ceiling - chance) exp(-k score), least squares.
struct Link {
  double k = 0;
  double rms_miss = 0;                  // in accuracy
  std::optional<double> expected_miss;  // by the number of items alone
};

struct Extrapolated {
  double size = 0;
  double factor = 0;  // beyond the largest size
  double score = 0;
  std::optional<Interval> score_interval;
  std::optional<double> accuracy;  // by the link; empty: it does not hold
  std::optional<Interval> accuracy_interval;
};

struct Emergence {
  std::string task;
  std::vector<ScorePoint> points;  // ascending in size
  TrendTest score;
  TrendTest accuracy;
  Link link;
  std::optional<Extrapolated> extrapolated;
  std::vector<std::string> verdicts;  // sentences
};

/// Throws InputError for scores or accuracies that are no numbers, accuracies outside 0 to 1,
/// chance not below ceiling. An extrapolation that the scores do not allow is a verdict: other
/// tasks of the file may have theirs.
Emergence examine(const TaskScores& scores, const EmergenceOptions& options);

/// Tasks of a CSV in the order of their first rows: columns score, accuracy, one of flops, params
/// and tokens (`size`, else the first of them that is there); optional task, items. `columns` as in
/// csv.hpp. `log_prob`: the score is a log-probability, higher is better; its sign is changed.
/// Throws InputError "NAME:LINE: COLUMN: saw ..., needed ...".
struct ScoresFile {
  std::string size;  // the column
  std::vector<TaskScores> tasks;
};
ScoresFile read_scores(std::string_view text, const std::string& name, const ColumnNames& columns,
                       const std::string& size, bool log_prob);

std::string describe(const std::vector<Emergence>& tasks, const std::string& size);
std::string to_json(const std::vector<Emergence>& tasks, const std::string& size);

}  // namespace isoflop::laws
