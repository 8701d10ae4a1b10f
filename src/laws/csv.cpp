#include "laws/csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "core/error.hpp"
#include "core/nearest.hpp"

namespace isoflop::laws {
namespace {

/// Every column that means something: the variables, then the rest.
const std::vector<std::string>& known_columns() {
  static const std::vector<std::string> columns = [] {
    std::vector<std::string> names;
    for (const VariableInfo& variable : all_variables()) names.emplace_back(variable.name);
    names.insert(names.end(), {"weight", "group", "name"});
    return names;
  }();
  return columns;
}

struct Row {
  std::size_t line;  // where it starts, from 1
  std::vector<std::string> fields;
};

/// Splits RFC 4180 text into rows; blank lines are skipped.
class Splitter {
 public:
  Splitter(std::string_view text, const std::string& name) : text_(text), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  bool next(Row& row) {
    while (position_ < text_.size()) {
      row = {line_, {}};
      do row.fields.push_back(field());
      while (take(','));
      take('\r');
      if (position_ < text_.size())
        require(take('\n'),
                "{}:{}: saw '{}' behind a closing quote, needed a comma or the end of the line",
                name_, line_, text_[position_]);
      ++line_;
      const bool blank = row.fields.size() == 1 && row.fields.front().empty();
      if (!blank) return true;
    }
    return false;
  }

 private:
  bool take(char expected) {
    if (position_ >= text_.size() || text_[position_] != expected) return false;
    ++position_;
    return true;
  }

  std::string field() {
    if (take('"')) return quoted();
    const std::size_t end = std::min(text_.find_first_of(",\r\n", position_), text_.size());
    std::string value(text_.substr(position_, end - position_));
    position_ = end;
    const std::size_t first = value.find_first_not_of(" \t");
    if (first == std::string::npos) return "";
    return value.substr(first, value.find_last_not_of(" \t") - first + 1);
  }

  std::string quoted() {
    const std::size_t opened = line_;
    std::string value;
    while (position_ < text_.size()) {
      const char c = text_[position_++];
      if (c == '"' && !take('"')) return value;
      if (c == '\n') ++line_;
      value += c;
    }
    throw InputError(fmt::format("{}:{}: a quote is never closed", name_, opened));
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
};

/// Where each of kColumns sits in the file.
class Header {
 public:
  Header(const Row& row, const std::string& name, const ColumnNames& columns) {
    for (const std::string& column : known_columns()) {
      const auto renamed = columns.find(column);
      const std::string& wanted = renamed == columns.end() ? column : renamed->second;
      const auto found = std::find(row.fields.begin(), row.fields.end(), wanted);
      if (found != row.fields.end())
        position_[column] = static_cast<std::size_t>(found - row.fields.begin());
      require(found != row.fields.end() || renamed == columns.end(),
              "{}:{}: {}: the column '{}' is missing, the file has {}", name, row.line, column,
              wanted, fmt::join(row.fields, ", "));
    }
  }

  bool has(std::string_view column) const { return position_.contains(column); }
  std::optional<std::size_t> find(std::string_view column) const {
    const auto entry = position_.find(column);
    if (entry == position_.end()) return std::nullopt;
    return entry->second;
  }

 private:
  std::map<std::string_view, std::size_t> position_;
};

double parse_number(const std::string& text, const std::string& place) {
  const char* first = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* last = text.data() + text.size();
  double value = 0;
  const auto [end, error] = std::from_chars(first, last, value);
  require(error == std::errc() && end == last, "{}: saw '{}', needed a number", place, text);
  return value;
}

/// Whether a missing params, tokens or flops follows from the two others by C = 6 N D.
bool follows(Variable variable, const Header& header) {
  if (variable > Variable::flops || header.has(to_string(variable))) return false;
  int present = 0;
  for (const Variable one : {Variable::params, Variable::tokens, Variable::flops})
    present += header.has(to_string(one));
  return present == 2;
}

void require_columns(const Header& header, const Row& first, const std::string& name,
                     std::span<const Variable> needed) {
  for (const Variable variable : needed) {
    const std::string_view column = to_string(variable);
    if (header.has(column) || follows(variable, header)) continue;
    throw InputError(fmt::format(
        "{}:{}: {}: the column is missing, the file has {}; name it with --column {}=\"{}\"", name,
        first.line, column, fmt::join(first.fields, ", "), column, nearest(column, first.fields)));
  }
}

void note_computed(const Header& header, Points& points) {
  const auto note = [&](Variable variable, const char* text) {
    if (follows(variable, header)) points.notes.push_back(text);
  };
  note(Variable::params, "params computed as flops / (6 tokens)");
  note(Variable::tokens, "tokens computed as flops / (6 params)");
  note(Variable::flops, "flops computed as 6 params tokens");
}

/// Appends one row of the file to `points`.
class RowReader {
 public:
  RowReader(const Header& header, const std::string& name, const ColumnNames& columns,
            std::span<const Variable> needed, Points& points)
      : header_(header), name_(name), columns_(columns), needed_(needed), points_(points) {}

  void read(const Row& row) {
    for (const VariableInfo& variable : all_variables()) {
      if (!is_read(variable.variable)) continue;
      if (const auto value = number(row, variable.name)) {
        require_in_range(row, variable, *value);
        quantity(points_, variable.variable).push_back(*value);
      }
    }
    if (header_.has("flops")) compute_missing();
    if (const auto weight = number(row, "weight")) {
      require(*weight >= 0, "{}: saw {}, needed a number, 0 or above", place(row, "weight"),
              *weight);
      points_.weight.push_back(*weight);
    }
    if (const auto group = header_.find("group")) points_.group.push_back(row.fields[*group]);
    const auto own_name = header_.find("name");
    points_.name.push_back(own_name ? row.fields[*own_name]
                                    : fmt::format("{}:{}", name_, row.line));
  }

 private:
  std::string place(const Row& row, std::string_view column) const {
    return fmt::format("{}:{}: {}", name_, row.line, column);
  }

  std::optional<double> number(const Row& row, std::string_view column) const {
    const auto position = header_.find(column);
    if (!position) return std::nullopt;
    const double value = parse_number(row.fields[*position], place(row, column));
    require(std::isfinite(value), "{}: saw '{}', needed a finite number", place(row, column),
            row.fields[*position]);
    return value;
  }

  void require_in_range(const Row& row, const VariableInfo& variable, double value) const {
    if (variable.is_fraction)
      require(value >= 0 && value <= 1,
              "{}: saw {}, needed a fraction from 0 to 1: correct or remove the row",
              place(row, variable.name), value);
    else
      require(value > 0, "{}: saw {}, needed a number above 0: correct or remove the row",
              place(row, variable.name), value);
  }

  /// params or tokens of the row just read, from its flops.
  void compute_missing() {
    const double product = points_.flops.back() / 6;
    if (follows(Variable::params, header_))
      points_.params.push_back(product / points_.tokens.back());
    else if (follows(Variable::tokens, header_))
      points_.tokens.push_back(product / points_.params.back());
  }

  /// A column that nobody asked for may mean something else in this file: only those that every
  /// fit uses are read.
  bool is_read(Variable variable) const {
    constexpr Variable kAlways[] = {Variable::params, Variable::tokens, Variable::flops,
                                    Variable::steps, Variable::loss};
    return std::ranges::find(kAlways, variable) != std::end(kAlways) ||
           std::ranges::find(needed_, variable) != needed_.end() ||
           columns_.contains(std::string(to_string(variable)));
  }

  const Header& header_;
  const std::string& name_;
  const ColumnNames& columns_;
  std::span<const Variable> needed_;
  Points& points_;
};

}  // namespace

Points parse_csv(std::string_view text, const std::string& name, const ColumnNames& columns,
                 std::span<const Variable> needed) {
  Splitter splitter(text, name);
  Row first;
  require(splitter.next(first), "{}: empty, needed a header row and points", name);
  const Header header(first, name, columns);
  require_columns(header, first, name, needed);
  Points points;
  points.source = name;
  note_computed(header, points);
  RowReader reader(header, name, columns, needed, points);
  Row row;
  while (splitter.next(row)) {
    require(row.fields.size() == first.fields.size(), "{}:{}: saw {} fields, the header has {}",
            name, row.line, row.fields.size(), first.fields.size());
    reader.read(row);
  }
  require(points.size() > 0, "{}: a header without points", name);
  return points;
}

Points read_csv(const std::string& path, const ColumnNames& columns,
                std::span<const Variable> needed) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), "{}: cannot be read: check that the file exists", path);
  std::ostringstream text;
  text << file.rdbuf();
  require(file.good() && text.good(), "{}: cannot be read: needed a CSV file", path);
  return parse_csv(text.str(), path, columns, needed);
}

ColumnNames parse_column_names(const std::vector<std::string>& arguments) {
  const std::vector<std::string>& known = known_columns();
  ColumnNames names;
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    require(equals != std::string::npos && equals + 1 < argument.size(),
            "--column: saw '{}', needed COLUMN=NAME, for example params=\"Model Size\"", argument);
    const std::string column = argument.substr(0, equals);
    require(std::find(known.begin(), known.end(), column) != known.end(),
            "--column: '{}' is unknown, did you mean '{}'? Known: {}", column,
            nearest(column, known), fmt::join(known, ", "));
    names[column] = argument.substr(equals + 1);
  }
  return names;
}

}  // namespace isoflop::laws
