#include "laws/points/csv.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "core/error.hpp"
#include "laws/points/csv_rows.hpp"
#include "laws/points/one_kind.hpp"

namespace isoflop::laws {
namespace {

/// Every column that means something: the variables, then the rest.
const std::vector<std::string>& known_columns() {
  static const std::vector<std::string> columns = [] {
    std::vector<std::string> names;
    for (const VariableInfo& variable : all_variables()) names.emplace_back(variable.name);
    names.insert(names.end(), {"weight", "group", "name", "params_kind", "flops_kind", "loss_unit",
                               "bytes_per_token", "stage", "tokenizer", "data", "context",
                               "evaluation", "smoothing", "status", "warmup_tokens"});
    return names;
  }();
  return columns;
}

std::vector<CsvHeader::Column> columns_of_points() {
  std::vector<CsvHeader::Column> columns;
  for (const std::string& name : known_columns()) columns.push_back({name});
  for (const VariableInfo& variable : all_variables())
    columns[static_cast<std::size_t>(variable.variable)].alias = variable.alias;
  return columns;
}

/// Whether a missing params, tokens or flops follows from the two others by C = 6 N D.
bool follows(Variable variable, const CsvHeader& header) {
  if (variable > Variable::flops || header.has(to_string(variable))) return false;
  int present = 0;
  for (const Variable one : {Variable::params, Variable::tokens, Variable::flops})
    present += header.has(to_string(one));
  return present == 2;
}

void require_columns(const CsvHeader& header, std::span<const Variable> needed) {
  for (const Variable variable : needed)
    if (!header.has(to_string(variable)) && !follows(variable, header))
      header.refuse(to_string(variable));
}

void note_computed(const CsvHeader& header, Points& points) {
  const auto note = [&](Variable variable, const char* text) {
    if (!follows(variable, header)) return;
    points.notes.push_back(text);
    points.computed = variable;
  };
  note(Variable::params, "params computed as flops / (6 tokens)");
  note(Variable::tokens, "tokens computed as flops / (6 params)");
  note(Variable::flops, "flops computed as 6 params tokens");
}

/// Appends the rows of the file to `points`, or to its `left_out`.
class RowReader {
 public:
  RowReader(const CsvHeader& header, const std::string& name, const ColumnNames& columns,
            std::span<const Variable> needed, std::span<const Variable> wanted, Rows kind,
            Points& points)
      : header_(header),
        name_(name),
        columns_(columns),
        needed_(needed),
        wanted_(wanted),
        kind_(kind),
        points_(points) {}

  void read(const CsvRow& row) {
    const std::string reason = kind_ == Rows::asked ? "" : excluded(row);
    if (!reason.empty()) {
      points_.left_out.push_back({name_of(row), reason});
      return;
    }
    for (const VariableInfo& variable : all_variables()) {
      if (!is_read(variable.variable)) continue;
      if (!is_needed(variable.variable) && header_.has(variable.name) &&
          !holds_one(row, variable)) {
        drop(variable.variable, row, describe(variable.values));
        continue;
      }
      if (const auto value = number(row, variable.name)) {
        require_in_range(row, variable, *value);
        quantity(points_, variable.variable).push_back(*value);
      }
    }
    if (header_.has("flops")) compute_missing(row);
    drop_impossible_unique_tokens(row);
    if (const auto weight = number(row, "weight")) {
      require(*weight >= 0, "{}: saw {}, needed a number, 0 or above", place(row, "weight"),
              *weight);
      points_.weight.push_back(*weight);
    }
    if (header_.has("group")) points_.group.push_back(text(row, "group"));
    points_.name.push_back(name_of(row));
    convert_loss(row);
    read_conventions(row);
  }

  void finish() {
    for (const auto& [variable, reason] : dropped_) {
      quantity(points_, variable).clear();
      points_.notes.push_back(fmt::format("{} not read: {}", to_string(variable), reason));
    }
    points_.conventions = {
        params_kind_.value(), flops_kind_.value(), loss_unit_.value(), "",
        tokenizer_.value(),   data_.value(),       context_.value(),   evaluation_.value(),
        smoothing_.value()};
    std::string& flops_kind = points_.conventions.flops;
    const bool is_6nd = flops_kind.empty() || flops_kind == "6nd";
    require(is_6nd || !(follows(Variable::params, header_) || follows(Variable::tokens, header_)),
            "{}: flops_kind: saw '{}', from which params and tokens do not follow: give both",
            name_, flops_kind);
    if (!header_.has("flops") && kind_ != Rows::asked) {
      require(is_6nd, "{}: flops_kind: saw '{}' without a column flops: give the FLOP too", name_,
              flops_kind);
      flops_kind = "6nd";
    }
    if (converted_ > 0)
      points_.notes.push_back(
          fmt::format("{} losses converted to nats a token (perplexity: its logarithm; bits per "
                      "byte: times bytes_per_token ln 2)",
                      converted_));
  }

 private:
  /// Why the row is no point; empty: it is one. Rows that did not finish may hold any loss.
  std::string excluded(const CsvRow& row) {
    const std::string& status = text(row, "status");
    if (!status.empty() && status != "finished") return "its status is " + status;
    if (!header_.has("weight")) {  // with weights, repeated rows are meant to count
      const std::string whole = fmt::format("{}", fmt::join(row.fields, "\x1f"));
      const auto [first, is_new] = line_of_.try_emplace(whole, row.line);
      if (!is_new) return fmt::format("it repeats line {} in every column", first->second);
    }
    const auto warmup = number(row, "warmup_tokens");
    const auto tokens = tokens_of(row);
    if (kind_ == Rows::schedules || !warmup || !tokens || *warmup < *tokens) return "";
    return kind_ == Rows::curves
               ? fmt::format("it lies in the warmup of its run, {:g} tokens", *warmup)
               : fmt::format("its warmup of {:g} tokens is as long as its run", *warmup);
  }

  /// Read or computed.
  std::optional<double> tokens_of(const CsvRow& row) const {
    if (!follows(Variable::tokens, header_)) return number(row, "tokens");
    return *number(row, "flops") / 6 / *number(row, "params");
  }

  /// Nats a token where the row has what that needs.
  void convert_loss(const CsvRow& row) {
    if (!header_.has("loss") || !is_read(Variable::loss)) return;
    std::string unit = text(row, "loss_unit");
    double& loss = points_.loss.back();
    const auto bytes = number(row, "bytes_per_token");
    if (unit == "perplexity") {
      require(loss > 1, "{}: saw a perplexity of {}, needed one above 1", place(row, "loss"), loss);
      loss = std::log(loss);
    } else if (unit == "bits_per_byte" && bytes) {
      require(*bytes > 0, "{}: saw {}, needed a number above 0", place(row, "bytes_per_token"),
              *bytes);
      loss *= *bytes * std::log(2.0);
    } else {
      loss_unit_.add(unit, name_, row.line);
      return;
    }
    ++converted_;
    loss_unit_.add("nats", name_, row.line);
  }

  void read_conventions(const CsvRow& row) {
    params_kind_.add(text(row, "params_kind"), name_, row.line);
    flops_kind_.add(text(row, "flops_kind"), name_, row.line);
    tokenizer_.add(text(row, "tokenizer"), name_, row.line);
    data_.add(text(row, "data"), name_, row.line);
    context_.add(text(row, "context"), name_, row.line);
    evaluation_.add(text(row, "evaluation"), name_, row.line);
    smoothing_.add(text(row, "smoothing"), name_, row.line);
    if (!header_.has("stage")) return;
    const std::string& stage = text(row, "stage");
    require(stage.empty() || std::ranges::count(known_stages(), stage) > 0,
            "{}: saw '{}', needed one of {}", place(row, "stage"), stage,
            fmt::join(known_stages(), ", "));
    points_.stage.push_back(stage);
  }

  std::string place(const CsvRow& row, std::string_view column) const {
    return fmt::format("{}:{}: {}", name_, row.line, column);
  }

  std::string name_of(const CsvRow& row) const {
    return header_.has("name") ? text(row, "name") : fmt::format("{}:{}", name_, row.line);
  }

  /// Empty without such a column.
  const std::string& text(const CsvRow& row, std::string_view column) const {
    static const std::string none;
    const auto position = header_.find(column);
    return position ? row.fields[*position] : none;
  }

  std::optional<double> number(const CsvRow& row, std::string_view column) const {
    const auto position = header_.find(column);
    if (!position) return std::nullopt;
    const double value = parse_csv_number(row.fields[*position], place(row, column));
    require(std::isfinite(value),
            "{}: saw '{}', needed a finite number: correct the row, or say in a column status that "
            "the run failed",
            place(row, column), row.fields[*position]);
    return value;
  }

  void require_in_range(const CsvRow& row, const VariableInfo& variable, double value) const {
    require(holds(variable.values, value), "{}: saw {}, needed {}: correct or remove the row",
            place(row, variable.name), value, describe(variable.values));
  }

  bool holds_one(const CsvRow& row, const VariableInfo& variable) const {
    const auto value = to_number(text(row, variable.name));
    return value && holds(variable.values, *value);
  }

  /// Of a column that is only wanted, the first row that has no such value.
  void drop(Variable variable, const CsvRow& row, std::string_view needed) {
    const std::string& cell = text(row, to_string(variable));
    const std::string seen = cell.empty() ? "none" : "'" + cell + "'";
    dropped_.try_emplace(variable,
                         fmt::format("line {} has {}, needed {}", row.line, seen, needed));
  }

  void drop_impossible_unique_tokens(const CsvRow& row) {
    constexpr Variable kUnique = Variable::unique_tokens;
    if (is_needed(kUnique) || points_.unique_tokens.empty() || points_.tokens.empty()) return;
    if (points_.unique_tokens.back() > points_.tokens.back())
      drop(kUnique, row, "at most its tokens");
  }

  /// params or tokens of the row just read, from its flops.
  void compute_missing(const CsvRow& row) {
    if (follows(Variable::params, header_))
      points_.params.push_back(points_.flops.back() / 6 / points_.tokens.back());
    if (follows(Variable::tokens, header_)) points_.tokens.push_back(*tokens_of(row));
  }

  /// A column that nobody asked for may mean something else in this file: only those that every
  /// fit uses are read.
  bool is_read(Variable variable) const { return is_needed(variable) || reads(wanted_, variable); }
  bool is_needed(Variable variable) const {
    constexpr Variable kSizes[] = {Variable::params, Variable::tokens, Variable::flops};
    constexpr Variable kMeasured[] = {Variable::steps, Variable::loss};
    return reads(kSizes, variable) || (kind_ != Rows::asked && reads(kMeasured, variable)) ||
           reads(needed_, variable) || columns_.contains(std::string(to_string(variable)));
  }

  const CsvHeader& header_;
  const std::string& name_;
  const ColumnNames& columns_;
  std::span<const Variable> needed_;
  std::span<const Variable> wanted_;
  Rows kind_;
  Points& points_;
  OneKind params_kind_{"params_kind", {"total", "non-embedding", "active"}};
  OneKind flops_kind_{"flops_kind", {"6nd", "exact", "cmin", "other"}};
  OneKind loss_unit_{"loss_unit", {"nats", "bits_per_byte", "perplexity"}};
  OneKind tokenizer_{"tokenizer"}, data_{"data"}, context_{"context"}, evaluation_{"evaluation"},
      smoothing_{"smoothing"};
  std::size_t converted_ = 0;
  std::map<Variable, std::string> dropped_;               // columns that are only wanted, and why
  std::unordered_map<std::string, std::size_t> line_of_;  // of the first row with this text
};

}  // namespace

Points parse_csv(std::string_view text, const std::string& name, const ColumnNames& columns,
                 std::span<const Variable> needed, Rows kind, std::span<const Variable> wanted) {
  CsvRows rows(text, name);
  CsvRow first;
  require(rows.next(first), "{}: empty, needed a header row and points", name);
  const CsvHeader header(first, name, columns_of_points(), columns);
  require_columns(header, needed);
  Points points;
  points.source = name;
  note_computed(header, points);
  RowReader reader(header, name, columns, needed, wanted, kind, points);
  CsvRow row;
  while (rows.next(row)) {
    require(row.fields.size() == first.fields.size(), "{}:{}: saw {} fields, the header has {}",
            name, row.line, row.fields.size(), first.fields.size());
    reader.read(row);
  }
  const LeftOut first_out = points.left_out.empty() ? LeftOut{} : points.left_out.front();
  require(points.size() > 0 || points.left_out.empty(),
          "{}: every point is left out, the first ({}) because {}", name, first_out.name,
          first_out.reason);
  require(points.size() > 0, "{}: a header without points", name);
  reader.finish();
  return points;
}

Points read_csv(const std::string& path, const ColumnNames& columns,
                std::span<const Variable> needed, Rows kind) {
  std::ifstream file(path, std::ios::binary);
  require(file.good(), "{}: cannot be read: {}", path, std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  require(file.good() && text.good(), "{}: cannot be read: needed a CSV file", path);
  return parse_csv(text.str(), path, columns, needed, kind);
}

ColumnNames parse_column_names(const std::vector<std::string>& arguments) {
  return parse_column_names(arguments, known_columns(), "params=\"Model Size\"");
}

}  // namespace isoflop::laws
