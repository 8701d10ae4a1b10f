#include "laws/csv_rows.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace isoflop::laws {

CsvRows::CsvRows(std::string_view text, const std::string& name) : text_(text), name_(name) {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
}

bool CsvRows::next(CsvRow& row) {
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

bool CsvRows::take(char expected) {
  if (position_ >= text_.size() || text_[position_] != expected) return false;
  ++position_;
  return true;
}

std::string CsvRows::field() {
  if (take('"')) return quoted();
  const std::size_t end = std::min(text_.find_first_of(",\r\n", position_), text_.size());
  std::string value(text_.substr(position_, end - position_));
  position_ = end;
  const std::size_t first = value.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return value.substr(first, value.find_last_not_of(" \t") - first + 1);
}

std::string CsvRows::quoted() {
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

}  // namespace isoflop::laws
