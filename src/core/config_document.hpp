// A TOML file with what is set beside it, before its tables are read (config_table.hpp).
//
//   ConfigDocument document = ConfigDocument::from_file("run.toml");
//   document.set("train.tokens=1_000_000");                    // --set, wins over the file
//   ConfigTable model = document.root().table("model");
//
// Errors are InputError and name the place as "run.toml:3".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config_table.hpp"

namespace isoflop {

/// A parsed TOML file with its overrides.
class ConfigDocument {
 public:
  static ConfigDocument from_file(const std::string& path);
  static ConfigDocument from_text(const std::string& text, const std::string& name);
  ~ConfigDocument();
  ConfigDocument(ConfigDocument&&) noexcept;
  ConfigDocument& operator=(ConfigDocument&&) noexcept;

  /// Applies "path.to.key=value" (a TOML value; bare words are strings). Errors about the value
  /// name `origin` as its place, or --set when there is none.
  void set(const std::string& assignment, const std::string& origin = "");

  /// Moves the table under `key`, or every table of the list under it, out into documents of their
  /// own; their lines and what they are called stay known. Without such a table: an empty one, or
  /// none. Before the first table is read.
  ConfigDocument take(std::string_view key);
  std::vector<ConfigDocument> take_list(std::string_view key);

  /// Lays `over` on top, table by table: its keys win. They are called as in a document of their
  /// own. Before the first root().
  void lay_over(ConfigDocument over);

  /// Puts change(text) in the place of every text under `key`, in whatever table.
  void change_texts(std::string_view key,
                    const std::function<std::string(const std::string&)>& change);

  /// The document as TOML text, with all that was set.
  std::string to_toml() const;

  /// Forgets `key` of the root. Before the first root().
  void erase(std::string_view key);

  ConfigTable root();

 private:
  ConfigDocument();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace isoflop
