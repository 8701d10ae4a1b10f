// RFC 4180 text as rows of fields: quoted fields ("a, ""b"""), CRLF and a byte-order mark are
// understood, blanks around unquoted fields are dropped, blank lines are skipped. And what every
// reader of such a table does: find columns by their names, read numbers.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isoflop::laws {

/// Where the file's names differ: {"params", "Model Size"}.
using ColumnNames = std::map<std::string, std::string>;

struct CsvRow {
  std::size_t line = 0;  // where it starts, from 1
  std::vector<std::string> fields;
};

class CsvRows {
 public:
  /// `name` is the file in messages. Both must outlive the object. Throws InputError for text that
  /// is not UTF-8 or ASCII, or whose lines end in CR alone.
  CsvRows(std::string_view text, const std::string& name);

  /// False behind the last row. Throws InputError "NAME:LINE: ..." for a quote that is never closed
  /// or has text behind it.
  bool next(CsvRow& row);

 private:
  bool take(char expected);
  std::string field();
  std::string quoted();

  std::string_view text_;
  const std::string& name_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
};

/// Where each known column sits in a file: under its own name, the one in `columns`, or its alias.
class CsvHeader {
 public:
  struct Column {
    std::string name;
    std::string alias = {};  // empty: none
  };

  /// Throws InputError "NAME:LINE: COLUMN: ..." for a column in `columns` that the file does not
  /// have, and for a known one that it has twice.
  CsvHeader(const CsvRow& row, const std::string& name, std::span<const Column> known,
            const ColumnNames& columns);

  bool has(std::string_view column) const { return position_.contains(column); }
  std::optional<std::size_t> find(std::string_view column) const;
  /// Throws InputError that the column is missing.
  [[noreturn]] void refuse(std::string_view column) const;

 private:
  std::string unused_like(std::string_view column) const;

  const std::string& file_;
  std::size_t line_;
  std::vector<std::string> fields_;
  std::map<std::string, std::size_t, std::less<>> position_;
};

/// The number that is all of `text`, a leading + allowed; NaN and infinity are numbers here.
std::optional<double> to_number(const std::string& text);

/// As to_number. Throws InputError "PLACE: saw ..., needed a number".
double parse_csv_number(const std::string& text, const std::string& place);

/// "params=Model Size" as it comes from the command line, for a table with the columns `known`;
/// `example` is for the message. Throws InputError.
ColumnNames parse_column_names(const std::vector<std::string>& arguments,
                               const std::vector<std::string>& known, std::string_view example);

}  // namespace isoflop::laws
