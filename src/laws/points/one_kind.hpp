// A column of conventions: rows that are used state one kind, or none of them states any.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace isoflop::laws {

/// The one value that such a column holds.
class OneKind {
 public:
  /// `known` empty: any name.
  explicit OneKind(const char* column, std::vector<std::string> known = {})
      : column_(column), known_(std::move(known)) {}

  void add(const std::string& value, const std::string& file, std::size_t line) {
    require(value.empty() || known_.empty() || std::ranges::find(known_, value) != known_.end(),
            "{}:{}: {}: saw '{}', needed one of {}", file, line, column_, value,
            fmt::join(known_, ", "));
    if (line_ == 0) {
      value_ = value;
      line_ = line;
    }
    require(value == value_,
            "{}:{}: {}: saw '{}', line {} has '{}': one fit needs one kind; split the file", file,
            line, column_, value, line_, value_);
  }
  const std::string& value() const { return value_; }

 private:
  const char* column_;
  std::vector<std::string> known_;
  std::string value_;
  std::size_t line_ = 0;  // of the first row; 0: none yet
};

}  // namespace isoflop::laws
