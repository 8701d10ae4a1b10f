// Reads members of JSON objects, and names what is wrong with them: "fit.json: draws: rows: ...".
#pragma once

#include <fmt/format.h>

#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "laws/json/json_parts.hpp"
#include "laws/points/points.hpp"

namespace isoflop::laws {

/// One object. Every member function throws InputError unless `key` is what it asks for.
class JsonReader {
 public:
  JsonReader(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
    require(json_.is_object(), "{}: saw {}, needed an object", place_, json_.type_name());
  }

  JsonReader object(const char* key) const { return {member(key), place_of(key)}; }

  bool has(const char* key) const { return json_.contains(key); }
  bool is_null(const char* key) const { return member(key).is_null(); }

  const Json& array(const char* key) const {
    const Json& value = member(key);
    require(value.is_array(), "{}: saw {}, needed a list", place_of(key), value.type_name());
    return value;
  }

  /// NaN for null.
  double number(const char* key) const {
    const Json& value = member(key);
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    require(value.is_number(), "{}: saw {}, needed a number", place_of(key), value.type_name());
    return value.get<double>();
  }

  /// A number, or NaN for null.
  double not_negative(const char* key) const {
    const double value = number(key);
    require(!(value < 0), "{}: saw {}, needed 0 or above", place_of(key), value);
    return value;
  }

  std::size_t count(const char* key) const {
    const Json& value = member(key);
    require(value.is_number_unsigned(), "{}: saw {}, needed a whole number, 0 or above",
            place_of(key), value.dump());
    return value.get<std::size_t>();
  }

  int small_count(const char* key) const {
    constexpr std::size_t kMost = 1'000'000'000;
    const std::size_t value = count(key);
    require(value <= kMost, "{}: saw {}, needed at most {}", place_of(key), value, kMost);
    return static_cast<int>(value);
  }

  bool flag(const char* key) const {
    const Json& value = member(key);
    require(value.is_boolean(), "{}: saw {}, needed true or false", place_of(key), value.dump());
    return value.get<bool>();
  }

  std::string text(const char* key) const {
    const Json& value = member(key);
    require(value.is_string(), "{}: saw {}, needed a string", place_of(key), value.type_name());
    return value.get<std::string>();
  }

  Range range(const char* key) const {
    const JsonReader reader = object(key);
    return {reader.number("low"), reader.number("high")};
  }

  const std::string& place() const { return place_; }
  const Json& json() const { return json_; }
  std::string place_of(const std::string& key) const { return place_ + ": " + key; }

 private:
  const Json& member(const char* key) const {
    const auto found = json_.find(key);
    require(found != json_.end(),
            "{}: the key '{}' is missing; needs a file written by isoflop fit", place_, key);
    return *found;
  }

  const Json& json_;
  std::string place_;
};

/// `nulls`: null is read as NaN.
inline std::vector<double> numbers_of(const Json& list, const std::string& place, bool nulls) {
  std::vector<double> numbers;
  for (const Json& value : list) {
    if (nulls && value.is_null()) {
      numbers.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    require(value.is_number(), "{}: saw {}, needed a number", place, value.dump());
    numbers.push_back(value.get<double>());
  }
  return numbers;
}

inline std::vector<double> read_numbers(const JsonReader& reader, const char* key,
                                        bool nulls = false) {
  return numbers_of(reader.array(key), reader.place_of(key), nulls);
}

inline std::vector<std::vector<double>> read_rows(const JsonReader& reader, const char* key,
                                                  std::size_t width, bool nulls) {
  std::vector<std::vector<double>> rows;
  for (const Json& row : reader.array(key)) {
    require(row.is_array() && row.size() == width, "{}: needed rows of {} numbers",
            reader.place_of(key), width);
    rows.push_back(numbers_of(row, reader.place_of(key), nulls));
  }
  return rows;
}

}  // namespace isoflop::laws
