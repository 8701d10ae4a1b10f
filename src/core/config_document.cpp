#include "core/config_document.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "core/config_state.hpp"
#include "core/error.hpp"

namespace isoflop {
namespace {

[[noreturn]] void refuse_syntax(const toml::parse_error& error, const std::string& name) {
  throw InputError(
      fmt::format("{}:{}: not TOML: {}", name, error.source().begin.line, error.description()));
}

toml::table parsed_word(const std::string& text, const std::string& source) {
  try {
    return toml::parse("value = '" + text + "'", source);
  } catch (const toml::parse_error& error) {  // bytes that are no UTF-8
    throw InputError(fmt::format("{}: {}", source, error.description()));
  }
}

// Moved nodes remember their lines, copied ones would not.
void move_over(toml::table& below, toml::table&& above) {
  for (auto& [key, node] : above) {
    toml::table* under = below[key].as_table();
    if (under != nullptr && node.is_table()) {
      move_over(*under, std::move(*node.as_table()));
    } else {
      node.visit([&below, &key = key](auto& value) {  // clang 14 captures no bindings
        below.insert_or_assign(key, std::move(value));
      });
    }
  }
}

void change_texts_in(toml::node& node, std::string_view key,
                     const std::function<std::string(const std::string&)>& change) {
  if (toml::array* array = node.as_array()) {
    for (toml::node& element : *array) change_texts_in(element, key, change);
  }
  toml::table* table = node.as_table();
  if (table == nullptr) return;
  for (auto& [name, value] : *table) {
    toml::value<std::string>* text = value.as_string();
    if (text != nullptr && name.str() == key)
      *text = change(text->get());
    else
      change_texts_in(value, key, change);
  }
}

}  // namespace

struct ConfigDocument::Impl {
  std::string name;
  std::string path;  // of a table that was taken: "target."
  toml::table table;
  std::unique_ptr<ConfigTable::State> root;
};

ConfigDocument::ConfigDocument() : impl_(std::make_unique<Impl>()) {}
ConfigDocument::~ConfigDocument() = default;
ConfigDocument::ConfigDocument(ConfigDocument&&) noexcept = default;
ConfigDocument& ConfigDocument::operator=(ConfigDocument&&) noexcept = default;

ConfigDocument ConfigDocument::from_file(const std::string& path) {
  ConfigDocument document;
  document.impl_->name = path;
  std::error_code none;
  require(!std::filesystem::is_directory(path, none), "{}: is a directory, needed a TOML file",
          path);
  try {
    document.impl_->table = toml::parse_file(path);
  } catch (const toml::parse_error& error) {
    if (error.source().begin.line == 0) {
      const bool is_readable = ::access(path.c_str(), R_OK) == 0;
      throw InputError(fmt::format("{}: cannot be read: {}", path,
                                   is_readable ? error.description() : std::strerror(errno)));
    }
    refuse_syntax(error, path);
  }
  return document;
}

ConfigDocument ConfigDocument::from_text(const std::string& text, const std::string& name) {
  ConfigDocument document;
  document.impl_->name = name;
  try {
    document.impl_->table = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    refuse_syntax(error, name);
  }
  return document;
}

void ConfigDocument::set(const std::string& assignment, const std::string& origin) {
  const std::size_t equals = assignment.find('=');
  require(equals != std::string::npos && equals > 0,
          "--set {}: needed key=value, for example --set train.seed=2", assignment);
  const std::string path = assignment.substr(0, equals);
  const std::string text = assignment.substr(equals + 1);
  toml::table parsed;
  const std::string source = origin.empty() ? "--set " + assignment : origin;
  try {
    parsed = toml::parse("value = " + text, source);
  } catch (const toml::parse_error&) {
    const bool bare = std::ranges::none_of(
        text, [](unsigned char c) { return c == '\'' || (c < ' ' && c != '\t'); });
    require(bare, "{}: needed a TOML value or a bare word", source);
    parsed = parsed_word(text, source);
  }
  require(parsed.size() == 1, "{}: seen more lines, needed one value; give a --set for each key",
          source);
  toml::table* table = &impl_->table;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) {
    const std::string part = path.substr(begin, dot - begin);
    toml::node* next = table->get(part);
    if (next == nullptr) {  // parsed, so that it knows where it comes from
      toml::table made = toml::parse("value = {}", source);
      made.get("value")->as_table()->is_inline(false);
      next = &table->insert_or_assign(part, std::move(*made.get("value"))).first->second;
    }
    require(next->is_table(), "--set {}: {} is not a table", assignment, path.substr(0, dot));
    table = next->as_table();
  }
  table->insert_or_assign(path.substr(begin), std::move(*parsed.get("value")));
}

ConfigDocument ConfigDocument::take(std::string_view key) {
  ConfigDocument taken;
  taken.impl_->name = impl_->name;
  taken.impl_->path = fmt::format("{}.", key);
  if (toml::table* table = impl_->table[key].as_table()) {
    taken.impl_->table = std::move(*table);
    impl_->table.erase(key);
  }
  return taken;
}

std::vector<ConfigDocument> ConfigDocument::take_list(std::string_view key) {
  std::vector<ConfigDocument> taken;
  toml::array* list = impl_->table[key].as_array();
  if (list == nullptr || !list->is_array_of_tables()) return taken;
  for (toml::node& node : *list) {
    const std::string path = fmt::format("{}[{}].", key, taken.size());
    taken.push_back(ConfigDocument());
    taken.back().impl_->name = impl_->name;
    taken.back().impl_->path = path;
    taken.back().impl_->table = std::move(*node.as_table());
  }
  impl_->table.erase(key);
  return taken;
}

void ConfigDocument::lay_over(ConfigDocument over) {
  impl_->path.clear();
  move_over(impl_->table, std::move(over.impl_->table));
}

void ConfigDocument::change_texts(std::string_view key,
                                  const std::function<std::string(const std::string&)>& change) {
  change_texts_in(impl_->table, key, change);
}

std::string ConfigDocument::to_toml() const {
  std::ostringstream text;
  text << impl_->table;
  return text.str();
}

void ConfigDocument::erase(std::string_view key) { impl_->table.erase(key); }

ConfigTable ConfigDocument::root() {
  if (!impl_->root)
    impl_->root.reset(new ConfigTable::State{&impl_->name, impl_->path, &impl_->table, {}, {}});
  return ConfigTable(impl_->root.get());
}

}  // namespace isoflop
