// RFC 4180 text as rows of fields: quoted fields ("a, ""b"""), CRLF and a byte-order mark are
// understood, blanks around unquoted fields are dropped, blank lines are skipped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace isoflop::laws {

struct CsvRow {
  std::size_t line = 0;  // where it starts, from 1
  std::vector<std::string> fields;
};

class CsvRows {
 public:
  /// `name` is the file in messages. Both must outlive the object.
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

}  // namespace isoflop::laws
