#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.hpp"
#include "core/nearest.hpp"
#include "laws/csv_rows.hpp"
#include "laws/emergence.hpp"
#include "laws/json_parts.hpp"

namespace isoflop::laws {
namespace {

class ScoresReader {
 public:
  ScoresReader(const CsvRow& header, const std::string& name,
               const std::map<std::string, std::string>& columns)
      : header_(header), name_(name), columns_(columns) {}

  std::optional<std::size_t> find(const std::string& column) const {
    const auto renamed = columns_.find(column);
    const std::string& wanted = renamed == columns_.end() ? column : renamed->second;
    const auto found = std::ranges::find(header_.fields, wanted);
    if (found != header_.fields.end())
      return static_cast<std::size_t>(found - header_.fields.begin());
    require(renamed == columns_.end(), "{}:{}: {}: the column '{}' is missing, the file has {}",
            name_, header_.line, column, wanted, fmt::join(header_.fields, ", "));
    return std::nullopt;
  }

  std::size_t position(const std::string& column) const {
    const auto found = find(column);
    require(found.has_value(),
            "{}:{}: {}: the column is missing, the file has {}; name it with --column {}=\"{}\"",
            name_, header_.line, column, fmt::join(header_.fields, ", "), column,
            nearest(column, header_.fields));
    return *found;
  }

  double number(const CsvRow& row, const std::string& column, double low, double high) const {
    const std::string& text = row.fields[position(column)];
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    require(error == std::errc() && end == text.data() + text.size() && std::isfinite(value) &&
                value >= low && value <= high,
            "{}:{}: {}: saw '{}', needed a number from {:g} to {:g}", name_, row.line, column, text,
            low, high);
    return value;
  }

 private:
  const CsvRow& header_;
  const std::string& name_;
  const std::map<std::string, std::string>& columns_;
};

std::string choose_size(const ScoresReader& reader, const std::string& asked) {
  if (!asked.empty()) return asked;
  for (const char* column : {"flops", "params", "tokens"})
    if (reader.find(column)) return column;
  reader.position("flops");  // says what is missing
  return {};
}

TaskScores& task_of(ScoresFile& file, const std::string& name) {
  for (TaskScores& task : file.tasks)
    if (task.task == name) return task;
  file.tasks.emplace_back().task = name;
  return file.tasks.back();
}

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
  text += "\n";
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

ScoresFile read_scores(std::string_view text, const std::string& name,
                       const std::map<std::string, std::string>& columns, const std::string& size,
                       bool log_prob) {
  constexpr double kLargest = 1e300;
  CsvRows rows(text, name);
  CsvRow header;
  require(rows.next(header), "{}: empty, needed a header row and scores", name);
  const ScoresReader reader(header, name, columns);
  ScoresFile file;
  file.size = choose_size(reader, size);
  const auto task_column = reader.find("task");
  const bool has_items = reader.find("items").has_value();
  CsvRow row;
  while (rows.next(row)) {
    require(row.fields.size() == header.fields.size(), "{}:{}: saw {} fields, the header has {}",
            name, row.line, row.fields.size(), header.fields.size());
    TaskScores& task = task_of(file, task_column ? row.fields[*task_column] : "");
    task.size.push_back(reader.number(row, file.size, 1e-300, kLargest));
    const double score = reader.number(row, "score", -kLargest, kLargest);
    task.score.push_back(log_prob ? -score : score);
    task.accuracy.push_back(reader.number(row, "accuracy", 0, 1));
    if (has_items) task.items.push_back(reader.number(row, "items", 1, kLargest));
  }
  require(!file.tasks.empty(), "{}: a header without scores", name);
  return file;
}

std::string describe(const std::vector<Emergence>& tasks, const std::string& size) {
  std::string text;
  for (const Emergence& task : tasks) {
    if (!text.empty()) text += "\n";
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
