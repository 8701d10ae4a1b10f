#include <cmath>

#include "core/error.hpp"
#include "laws/points/csv_rows.hpp"
#include "laws/tasks/emergence.hpp"

namespace isoflop::laws {
namespace {

constexpr const char* kSizes[] = {"flops", "params", "tokens"};

std::vector<CsvHeader::Column> known_columns() {
  std::vector<CsvHeader::Column> columns = {{"score"}, {"accuracy"}, {"task"}, {"items"}};
  for (const char* size : kSizes) columns.push_back({size});
  return columns;
}

std::size_t position(const CsvHeader& header, const std::string& column) {
  const auto found = header.find(column);
  if (!found) header.refuse(column);
  return *found;
}

std::string choose_size(const CsvHeader& header, const std::string& asked) {
  if (!asked.empty()) return asked;
  for (const char* column : kSizes)
    if (header.has(column)) return column;
  header.refuse(kSizes[0]);
}

TaskScores& task_of(ScoresFile& file, const std::string& name) {
  for (TaskScores& task : file.tasks)
    if (task.task == name) return task;
  file.tasks.emplace_back().task = name;
  return file.tasks.back();
}

}  // namespace

ScoresFile read_scores(std::string_view text, const std::string& name, const ColumnNames& columns,
                       const std::string& size, bool log_prob) {
  constexpr double kLargest = 1e300;
  CsvRows rows(text, name);
  CsvRow first;
  require(rows.next(first), "{}: empty, needed a header row and scores", name);
  const CsvHeader header(first, name, known_columns(), columns);
  ScoresFile file;
  file.size = choose_size(header, size);
  CsvRow row;
  const auto number = [&](const std::string& column, double low, double high) {
    const std::string& field = row.fields[position(header, column)];
    const std::string place = fmt::format("{}:{}: {}", name, row.line, column);
    const double value = parse_csv_number(field, place);
    require(value >= low && value <= high, "{}: saw '{}', needed a number from {:g} to {:g}", place,
            field, low, high);
    return value;
  };
  const auto task_column = header.find("task");
  while (rows.next(row)) {
    require(row.fields.size() == first.fields.size(), "{}:{}: saw {} fields, the header has {}",
            name, row.line, row.fields.size(), first.fields.size());
    TaskScores& task = task_of(file, task_column ? row.fields[*task_column] : "");
    task.size.push_back(number(file.size, 1e-300, kLargest));
    const double score = number("score", -kLargest, kLargest);
    task.score.push_back(log_prob ? -score : score);
    task.accuracy.push_back(number("accuracy", 0, 1));
    if (header.has("items")) task.items.push_back(number("items", 1, kLargest));
  }
  require(!file.tasks.empty(), "{}: a header without scores", name);
  return file;
}

}  // namespace isoflop::laws
