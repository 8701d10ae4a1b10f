#include "laws/tasks/emergence.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "core/error.hpp"
#include "laws/fit/bootstrap.hpp"

namespace isoflop::laws {
namespace {

constexpr double kSudden = 0.5;       // share of the change between two neighbouring sizes
constexpr double kDeviations = 2;     // that set a point apart from an end
constexpr double kLinkTolerance = 3;  // times the miss that the items explain
constexpr double kLinkWithoutItems = 0.05;

void require_scores(const TaskScores& scores, const EmergenceOptions& options) {
  require(options.chance >= 0 && options.chance < options.ceiling && options.ceiling <= 1,
          "chance {} and ceiling {}: needed 0 <= chance < ceiling <= 1", options.chance,
          options.ceiling);
  require(!scores.size.empty(), "{}: no run", scores.task);
  for (std::size_t i = 0; i < scores.size.size(); ++i) {
    require(std::isfinite(scores.score[i]), "{}: score: saw {}, needed a finite number",
            scores.task, scores.score[i]);
    require(scores.accuracy[i] >= 0 && scores.accuracy[i] <= 1,
            "{}: accuracy: saw {}, needed a share from 0 to 1", scores.task, scores.accuracy[i]);
    require(scores.items.empty() || scores.items[i] >= 1, "{}: items: saw {}, needed at least 1",
            scores.task, scores.items.empty() ? 0 : scores.items[i]);
  }
}

/// Standard deviation of a share of n items. The share is drawn towards a half by one item, so that
/// 0 of 20 is not thought exact.
double deviation_of(double accuracy, double items) {
  const double share = (accuracy * items + 0.5) / (items + 1);
  return std::sqrt(share * (1 - share) / items);
}

Place place_of(const ScorePoint& point, const EmergenceOptions& options) {
  const double margin = kDeviations * point.deviation.value_or(0);
  if (point.accuracy < options.chance - margin) return Place::below_chance;
  if (point.accuracy <= options.chance + margin) return Place::at_chance;
  if (point.accuracy >= options.ceiling - margin) return Place::at_ceiling;
  return Place::between;
}

std::vector<ScorePoint> points_of(const TaskScores& scores, const EmergenceOptions& options) {
  std::vector<ScorePoint> points;
  for (std::size_t i = 0; i < scores.size.size(); ++i) {
    ScorePoint point{scores.size[i], scores.score[i], scores.accuracy[i], {}, Place::between};
    if (!scores.items.empty()) point.deviation = deviation_of(point.accuracy, scores.items[i]);
    point.place = place_of(point, options);
    points.push_back(point);
  }
  std::ranges::sort(points, {}, [](const ScorePoint& point) {
    return std::make_tuple(point.size, point.score, point.accuracy);
  });
  return points;
}

double linked(const EmergenceOptions& options, double k, double score) {
  return options.chance + (options.ceiling - options.chance) * std::exp(-k * score);
}

double link_squares(const std::vector<ScorePoint>& points, const EmergenceOptions& options,
                    double k) {
  double squares = 0;
  for (const ScorePoint& point : points)
    squares += std::pow(linked(options, k, point.score) - point.accuracy, 2);
  return squares;
}

/// Scans ln k, then narrows around the best.
Link fit_link(const std::vector<ScorePoint>& points, const EmergenceOptions& options) {
  double centre = 0;
  double width = std::log(1e4);
  for (int round = 0; round < 12; ++round) {
    double best = centre;
    double lowest = link_squares(points, options, std::exp(centre));
    for (int step = -20; step <= 20; ++step) {
      const double at = centre + width * step / 20;
      const double squares = link_squares(points, options, std::exp(at));
      if (squares < lowest) {
        lowest = squares;
        best = at;
      }
    }
    centre = best;
    width /= 8;
  }
  Link link;
  link.k = std::exp(centre);
  const auto n = static_cast<double>(points.size());
  link.rms_miss = std::sqrt(link_squares(points, options, link.k) / n);
  double variance = 0;
  for (const ScorePoint& point : points) {
    if (!point.deviation) return link;
    variance += *point.deviation * *point.deviation / n;
  }
  link.expected_miss = std::sqrt(variance);
  return link;
}

bool holds(const Link& link) {
  return link.rms_miss <=
         (link.expected_miss ? kLinkTolerance * *link.expected_miss : kLinkWithoutItems);
}

std::string percent(double share) { return fmt::format("{:.3g}%", 100 * share); }

void judge_trend(const char* name, const TrendTest& test, std::vector<std::string>& verdicts) {
  std::string text = fmt::format("{}: {}", name, to_string(test.trend));
  switch (test.trend) {
    case Trend::too_few:
      text += fmt::format(" ({}; needed {})", test.sizes, kLeastSizes);
      break;
    case Trend::none:
      text += fmt::format(" that {} sizes tell from noise (p = {:.2g})", test.sizes, test.p_any);
      break;
    case Trend::improves:
      text += fmt::format(" with size (p = {:.2g})", test.p_any);
      break;
    case Trend::inverse:
      text += fmt::format(" scaling: worse with size (p = {:.2g})", test.p_any);
      break;
    case Trend::u_shaped:
      text +=
          fmt::format(": worse up to {:.3g}, better beyond (p = {:.2g})", test.turn, test.p_turn);
      break;
    case Trend::inverted_u:
      text +=
          fmt::format(": better up to {:.3g}, worse beyond (p = {:.2g})", test.turn, test.p_turn);
      break;
  }
  verdicts.push_back(text);
}

void judge_jump(const TrendTest& score, const TrendTest& accuracy,
                std::vector<std::string>& verdicts) {
  if (accuracy.trend != Trend::improves || accuracy.rise_share < kSudden) return;
  const std::string where = fmt::format(
      "{} of the change in accuracy lies between {:.3g} and "
      "{:.3g}",
      percent(accuracy.rise_share), accuracy.rise_from, accuracy.rise_to);
  const bool same_step = score.rise_from == accuracy.rise_from && score.rise_share >= kSudden;
  verdicts.push_back(
      where + (same_step
                   ? fmt::format(", and {} of that in the score: the score jumps there too",
                                 percent(score.rise_share))
                   : fmt::format(", but at most {} of that in the score between any two sizes: the "
                                 "jump is in the metric",
                                 percent(score.rise_share))));
}

void judge_ends(const std::vector<ScorePoint>& points, std::vector<std::string>& verdicts) {
  std::size_t count[4] = {};
  for (const ScorePoint& point : points) ++count[static_cast<int>(point.place)];
  const auto say = [&](Place place, const char* what) {
    const std::size_t n = count[static_cast<int>(place)];
    if (n > 0) verdicts.push_back(fmt::format("{} of {} runs are {}", n, points.size(), what));
  };
  say(Place::below_chance,
      "below chance by more than their noise: look for a misread answer "
      "format or a trap in the task");
  say(Place::at_chance, "at chance: their accuracy says nothing about scale");
  say(Place::at_ceiling, "at the ceiling: their accuracy cannot grow");
}

void judge_noise(const std::vector<ScorePoint>& points, std::vector<std::string>& verdicts) {
  double largest = 0;
  for (const ScorePoint& point : points) {
    if (!point.deviation) {
      verdicts.push_back(
          "the number of items is unknown: how noisy the accuracy is cannot be told "
          "(add a column items)");
      return;
    }
    largest = std::max(largest, *point.deviation);
  }
  verdicts.push_back(fmt::format("with these items, accuracies closer than {} are not told apart",
                                 percent(kDeviations * std::sqrt(2.0) * largest)));
}

/// Standard deviation of the accuracy that the link gives at `score`: its own misses, and those of
/// k, by linearisation.
double link_deviation(const std::vector<ScorePoint>& points, const Link& link,
                      const EmergenceOptions& options, double score) {
  const auto slope = [&](double at) {  // by k
    return (options.ceiling - options.chance) * at * std::exp(-link.k * at);
  };
  double squares = 0;
  for (const ScorePoint& point : points) squares += slope(point.score) * slope(point.score);
  return link.rms_miss * std::sqrt(1 + slope(score) * slope(score) / squares);
}

/// The interval of the score through the link, widened by what the link itself may miss.
Interval through_link(const std::vector<ScorePoint>& points, const Link& link,
                      const EmergenceOptions& options, const Prediction& prediction) {
  const double centre = linked(options, link.k, prediction.value);
  const double half =
      normal_half_width(options.level) * link_deviation(points, link, options, prediction.value);
  const double below = centre - linked(options, link.k, prediction.interval->high);
  const double above = linked(options, link.k, prediction.interval->low) - centre;
  return {options.level, std::max(0.0, centre - std::hypot(below, half)),
          std::min(1.0, centre + std::hypot(above, half)),
          "the interval of the score, through the link, and the misses of the link"};
}

Extrapolated extrapolate(const std::vector<ScorePoint>& points, const Link& link,
                         const TrendTest& accuracy, const EmergenceOptions& options,
                         std::vector<std::string>& verdicts) {
  Points scores;
  for (const ScorePoint& point : points) {
    require(point.score > 0,
            "score: saw {}, an extrapolation needs losses above 0 (log-probabilities: --log-prob)",
            point.score);
    quantity(scores, options.size).push_back(point.size);
    scores.loss.push_back(point.score);
  }
  FitOptions how;
  how.law = "power-offset";
  how.variable = to_string(options.size);
  how.huber_delta = 1e-2;
  how.bootstrap = 0;  // the interval is that of predict(), from rollouts
  how.seed = options.seed;
  RunSize run;
  quantity(run, options.size) = options.at;
  const Fit fitted = fit(scores, how);
  for (const std::string& warning : fitted.warnings)
    verdicts.push_back("of the extrapolation: " + warning);
  const Prediction prediction = predict(fitted, run, options.level);
  Extrapolated result{
      *options.at, *options.at / points.back().size, prediction.value, prediction.interval, {}, {}};
  const bool turned = accuracy.trend == Trend::inverse || accuracy.trend == Trend::u_shaped ||
                      accuracy.trend == Trend::inverted_u;
  if (turned || !holds(link)) return result;
  result.accuracy = linked(options, link.k, prediction.value);
  if (prediction.interval)
    result.accuracy_interval = through_link(points, link, options, prediction);
  return result;
}

void judge_link(const Link& link, std::vector<std::string>& verdicts) {
  if (!holds(link))
    verdicts.push_back(fmt::format(
        "accuracy = chance + (ceiling - chance) exp(-{:.3g} score) misses by {:.3g} rms: the "
        "score does not explain the accuracy",
        link.k, link.rms_miss));
}

void judge(Emergence& result) {
  std::vector<std::string>& verdicts = result.verdicts;
  judge_trend("score", result.score, verdicts);
  judge_trend("accuracy", result.accuracy, verdicts);
  judge_jump(result.score, result.accuracy, verdicts);
  judge_ends(result.points, verdicts);
  judge_noise(result.points, verdicts);
  if (result.score.trend == Trend::improves && result.accuracy.trend == Trend::none)
    verdicts.push_back(
        "the score improves where the accuracy shows nothing yet: follow the "
        "score");
  judge_link(result.link, verdicts);
}

/// The score and accuracy at `options.at`, or a verdict why not.
void extrapolate_if_possible(const EmergenceOptions& options, Emergence& result) {
  require(std::isfinite(*options.at) && *options.at > 0, "at: saw {}, needed a size above 0",
          *options.at);
  const auto refuse = [&](std::string_view reason) {
    result.verdicts.push_back(fmt::format("not extrapolated to {:.3g}: {}", *options.at, reason));
  };
  if (result.score.trend != Trend::improves) {
    refuse(to_string(result.score.trend));
    return;
  }
  try {
    result.extrapolated =
        extrapolate(result.points, result.link, result.accuracy, options, result.verdicts);
  } catch (const InputError& reason) {  // scores that no law can be fitted to
    refuse(reason.what());
  }
}

}  // namespace

Emergence examine(const TaskScores& scores, const EmergenceOptions& options) {
  require(options.level > 0 && options.level < 1, "level: saw {}, needed a number between 0 and 1",
          options.level);
  require_scores(scores, options);
  Emergence result;
  result.task = scores.task;
  result.points = points_of(scores, options);
  const Series score{scores.size, scores.score, {}};
  const Series accuracy{scores.size, scores.accuracy, scores.items};
  result.score = test_trend(score, false, options.seed);
  result.accuracy = test_trend(accuracy, true, options.seed);
  result.link = fit_link(result.points, options);
  judge(result);
  if (options.at) extrapolate_if_possible(options, result);
  return result;
}

}  // namespace isoflop::laws
