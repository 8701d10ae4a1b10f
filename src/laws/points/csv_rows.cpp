#include "laws/points/csv_rows.hpp"

#include <algorithm>
#include <charconv>

#include "core/error.hpp"
#include "core/nearest.hpp"

namespace isoflop::laws {
namespace {

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// ": write 1.4e9" for "1.4B"; empty for what is no number with such a letter.
std::string in_full(const std::string& text) {
  constexpr std::pair<char, std::string_view> kLetters[] = {
      {'k', "e3"}, {'m', "e6"}, {'b', "e9"}, {'g', "e9"}, {'t', "e12"}};
  if (text.empty()) return "";
  const std::string digits = text.substr(0, text.size() - 1);
  if (digits.find_first_of("eE") != std::string::npos || !to_number(digits)) return "";
  for (const auto& [letter, power] : kLetters)
    if (lower_case(text).back() == letter) return fmt::format(": write {}{}", digits, power);
  return "";
}

}  // namespace

CsvRows::CsvRows(std::string_view text, const std::string& name) : text_(text), name_(name) {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  require(text_.find('\0') == std::string_view::npos,
          "{}: holds bytes of value 0, as UTF-16 and binary files do: needed a CSV in UTF-8", name);
  const std::size_t end = text_.find('\r');
  require(end == std::string_view::npos || text_.find('\n') != std::string_view::npos ||
              end + 1 == text_.size(),
          "{}: its lines end in CR alone: needed LF or CRLF at the end of each line", name);
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

CsvHeader::CsvHeader(const CsvRow& row, const std::string& name, std::span<const Column> known,
                     const ColumnNames& columns)
    : file_(name), line_(row.line), fields_(row.fields) {
  const auto index_of = [&](std::string_view wanted) -> std::optional<std::size_t> {
    const auto found = std::ranges::find(fields_, wanted);
    if (wanted.empty() || found == fields_.end()) return std::nullopt;
    require(std::find(found + 1, fields_.end(), wanted) == fields_.end(),
            "{}:{}: two columns are named '{}': needed one, rename or remove the other", file_,
            line_, wanted);
    return static_cast<std::size_t>(found - fields_.begin());
  };
  for (const auto& [column, alias] : known) {
    const auto renamed = columns.find(column);
    const bool is_renamed = renamed != columns.end();
    auto found = index_of(is_renamed ? renamed->second : column);
    require(found.has_value() || !is_renamed,
            "{}:{}: {}: the column '{}' is missing, the file has {}", file_, line_, column,
            is_renamed ? renamed->second : "", fmt::join(fields_, ", "));
    if (!found) found = index_of(alias);
    if (found) position_.emplace(column, *found);
  }
}

std::optional<std::size_t> CsvHeader::find(std::string_view column) const {
  const auto entry = position_.find(column);
  if (entry == position_.end()) return std::nullopt;
  return entry->second;
}

void CsvHeader::refuse(std::string_view column) const {
  for (const char separator : {';', '\t'})
    require(fields_.size() > 1 || fields_.front().find(separator) == std::string::npos,
            "{}:{}: {}: the header is one field with '{}' in it: needed fields separated by commas",
            file_, line_, column, separator == '\t' ? "tab" : ";");
  const std::string like = unused_like(column);
  throw InputError(
      fmt::format("{}:{}: {}: the column is missing, the file has {}; {} --column {}={}", file_,
                  line_, column, fmt::join(fields_, ", "),
                  like.empty() ? "if one of them holds it, say so with" : "name it with", column,
                  like.empty() ? "NAME" : "\"" + like + "\""));
}

/// A field that no column has taken and whose name is nearly this one; empty: there is none. A name
/// that holds this one (tokens_per_second, loss_std) mostly means something else.
std::string CsvHeader::unused_like(std::string_view column) const {
  std::string best;
  std::size_t smallest = column.size() / 3 + 1;
  for (std::size_t k = 0; k < fields_.size(); ++k) {
    if (std::ranges::any_of(position_, [&](const auto& one) { return one.second == k; })) continue;
    const std::string name = lower_case(fields_[k]);
    const std::size_t distance = edit_distance(column, name);
    if (distance >= smallest) continue;
    smallest = distance;
    best = fields_[k];
  }
  return best;
}

std::optional<double> to_number(const std::string& text) {
  const char* first = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* last = text.data() + text.size();
  double value = 0;
  const auto [end, error] = std::from_chars(first, last, value);
  if (error != std::errc() || end != last) return std::nullopt;
  return value;
}

double parse_csv_number(const std::string& text, const std::string& place) {
  const auto value = to_number(text);
  require(value.has_value(), "{}: saw '{}', needed a number{}", place, text, in_full(text));
  return *value;
}

ColumnNames parse_column_names(const std::vector<std::string>& arguments,
                               const std::vector<std::string>& known, std::string_view example) {
  ColumnNames names;
  for (const std::string& argument : arguments) {
    const std::size_t equals = argument.find('=');
    require(equals != std::string::npos && equals + 1 < argument.size(),
            "--column: saw '{}', needed COLUMN=NAME, for example {}", argument, example);
    const std::string column = argument.substr(0, equals);
    require(std::find(known.begin(), known.end(), column) != known.end(),
            "--column: '{}' is unknown, did you mean '{}'? Known: {}", column,
            nearest(column, known), fmt::join(known, ", "));
    const std::string name = argument.substr(equals + 1);
    const auto [entry, is_new] = names.emplace(column, name);
    require(is_new, "--column: {} is named twice, '{}' and '{}': needed one name", column,
            entry->second, name);
  }
  return names;
}

}  // namespace isoflop::laws
