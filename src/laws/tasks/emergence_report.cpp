#include "laws/json/json_parts.hpp"
#include "laws/tasks/emergence.hpp"

namespace isoflop::laws {
namespace {

const char* text_of(Place place) {
  switch (place) {
    case Place::between:
      return "";
    case Place::at_chance:
      return "at chance";
    case Place::below_chance:
      return "below chance";
    case Place::at_ceiling:
      return "at the ceiling";
  }
  return "";
}

std::string range(const std::optional<Interval>& interval) {
  if (!interval) return "";
  return fmt::format(" ({:.4g}%: {:.4g} to {:.4g})", 100 * interval->level, interval->low,
                     interval->high);
}

std::string describe(const Emergence& task, const std::string& size) {
  std::string text =
      fmt::format("{}\n\n  {:>10} {:>10} {:>10} {:>8}\n", task.task.empty() ? "scores" : task.task,
                  size, "score", "accuracy", "+-");
  for (const ScorePoint& point : task.points)
    text += fmt::format(
        "  {:>10.3g} {:>10.4g} {:>10.4g} {:>8}  {}\n", point.size, point.score, point.accuracy,
        point.deviation ? fmt::format("{:.2g}", *point.deviation) : "?", text_of(point.place));
  text += '\n';
  for (const std::string& verdict : task.verdicts) text += "  " + verdict + "\n";
  if (task.extrapolated) {
    const Extrapolated& far = *task.extrapolated;
    text += fmt::format("  at {} {:.3g}, {:.3g}x the largest run: score {:.4g}{}", size, far.size,
                        far.factor, far.score, range(far.score_interval));
    text += far.accuracy
                ? fmt::format(", accuracy {:.4g}{}\n", *far.accuracy, range(far.accuracy_interval))
                : "; no accuracy: the score does not explain it, or it turned\n";
  }
  return text;
}

Json json_of(const TrendTest& test) {
  return {
      {"trend", to_string(test.trend)}, {"sizes", test.sizes}, {"p_any", test.p_any},
      {"p_turn", test.p_turn},          {"turn", test.turn},   {"largest_step", test.rise_share},
      {"from", test.rise_from},         {"to", test.rise_to}};
}

Json json_of(const Emergence& task) {
  Json points = Json::array();
  for (const ScorePoint& point : task.points)
    points.push_back({{"size", point.size},
                      {"score", point.score},
                      {"accuracy", point.accuracy},
                      {"deviation", number(point.deviation)},
                      {"place", text_of(point.place)}});
  Json json = {{"task", task.task},
               {"points", points},
               {"score", json_of(task.score)},
               {"accuracy", json_of(task.accuracy)},
               {"link",
                {{"k", task.link.k},
                 {"rms_miss", task.link.rms_miss},
                 {"expected_miss", number(task.link.expected_miss)}}},
               {"verdicts", task.verdicts},
               {"extrapolated", nullptr}};
  if (task.extrapolated) {
    const Extrapolated& far = *task.extrapolated;
    json["extrapolated"] = {{"size", far.size},
                            {"factor", far.factor},
                            {"score", far.score},
                            {"score_interval", json_of(far.score_interval)},
                            {"accuracy", number(far.accuracy)},
                            {"accuracy_interval", json_of(far.accuracy_interval)}};
  }
  return json;
}

}  // namespace

std::string describe(const std::vector<Emergence>& tasks, const std::string& size) {
  std::string text;
  for (const Emergence& task : tasks) {
    if (!text.empty()) text += '\n';
    text += describe(task, size);
  }
  return text;
}

std::string to_json(const std::vector<Emergence>& tasks, const std::string& size) {
  Json list = Json::array();
  for (const Emergence& task : tasks) list.push_back(json_of(task));
  return Json{{"size", size}, {"tasks", list}}.dump(1) + "\n";
}

}  // namespace isoflop::laws
