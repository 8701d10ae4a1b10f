// Reads TOML so that nothing in it goes unnoticed: every key must be asked for, have the right type
// and lie in its range.
//
//   ConfigDocument document = ConfigDocument::from_file("run.toml");  // config_document.hpp
//   ConfigTable model = document.root().table("model");
//   const auto layers = model.integer("layers", 1, 1000);      // required
//   const auto width = model.integer("width", 1, 1 << 20, 64);  // with a default
//   document.root().refuse_unknown_keys();
//
// Errors are InputError: "run.toml:3: model.width: seen "wide", needed an integer from 1 to
// 1048576".
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isoflop {

/// A table of a document. A cheap handle; the document must outlive it.
class ConfigTable {
 public:
  struct State;
  explicit ConfigTable(State* state) : state_(state) {}

  bool has(std::string_view key) const;
  bool is_table(std::string_view key) const;
  std::vector<std::string> keys() const;

  /// The value of `key`, or the fallback when the key is absent; without a fallback the key is
  /// required. An error about a missing key names a key that looks like a misspelt one.
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high,
                       std::optional<std::int64_t> fallback = std::nullopt);
  double number(std::string_view key, double low, double high,
                std::optional<double> fallback = std::nullopt);
  bool boolean(std::string_view key, std::optional<bool> fallback = std::nullopt);
  std::string string(std::string_view key, std::optional<std::string> fallback = std::nullopt);
  std::string choice(std::string_view key, std::span<const std::string> allowed,
                     std::optional<std::string> fallback = std::nullopt);
  std::vector<std::int64_t> integers(std::string_view key, std::int64_t low, std::int64_t high);
  std::vector<double> numbers(std::string_view key, double low, double high);
  std::vector<std::string> strings(std::string_view key);

  /// The table or array of tables under `key`; an absent one is empty.
  ConfigTable table(std::string_view key);
  std::vector<ConfigTable> tables(std::string_view key);

  /// Throws for the first key of this table, or of a table below it, that nobody asked for, naming
  /// the nearest known key.
  void refuse_unknown_keys() const;

  /// The same for this table alone, by a list: for tables of tables, before those are read. A
  /// misspelt one would otherwise make keys missing that it holds.
  void refuse_all_but(std::span<const std::string_view> known) const;

  /// Throws for a key that is required but not there; any of `keys` would do. Names a key that
  /// looks like one of them misspelt.
  [[noreturn]] void fail_missing(std::span<const std::string> keys,
                                 const std::string& needed) const;

  /// Throws InputError that names the place of `key`: "file:line: path.key: message".
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;

  /// "file:line: path.key", for messages about what only turns out later.
  std::string place(std::string_view key) const;

 private:
  State* state_;
};

}  // namespace isoflop
