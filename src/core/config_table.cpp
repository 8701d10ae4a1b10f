#include "core/config_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/config_state.hpp"
#include "core/error.hpp"
#include "core/nearest.hpp"

namespace isoflop {

namespace {

std::string describe(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (const auto number = node.value_exact<double>()) return fmt::format("{}", *number);
  std::ostringstream text;
  node.visit([&](const auto& value) { text << value; });
  std::string shown = text.str();
  std::ranges::replace_if(shown, [](unsigned char c) { return c < ' '; }, '?');
  return shown;
}

std::string place(const std::string& document, const toml::node* node) {
  if (node == nullptr || node->source().begin.line == 0) return document;
  const auto& source = node->source();
  std::string path = source.path ? *source.path : document;
  if (path != document) return path;  // an assignment's origin
  return fmt::format("{}:{}", path, source.begin.line);
}

bool is_of(const std::string& document, const toml::node& node) {
  return !node.source().path || *node.source().path == document;
}

const toml::node* look_up(ConfigTable::State& state, std::string_view key) {
  state.asked.emplace(key);
  return state.node == nullptr ? nullptr : state.node->get(key);
}

// Where the key would stand if it is missing: not in an assignment of another key, which may have
// made the table.
std::string place_of(const ConfigTable::State& state, std::string_view key) {
  const toml::node* node = state.node == nullptr ? nullptr : state.node->get(key);
  if (node == nullptr && state.node != nullptr && is_of(*state.document, *state.node))
    node = state.node;
  return fmt::format("{}: {}{}", place(*state.document, node), state.path, key);
}

[[noreturn]] void refuse(const ConfigTable::State& state, std::string_view key,
                         const std::string& message) {
  throw InputError(fmt::format("{}: {}", place_of(state, key), message));
}

constexpr std::size_t kMisspelling = 2;  // edits

bool is_misspelt(std::string_view word, std::string_view meant) {
  return !meant.empty() && edit_distance(word, meant) <= kMisspelling;
}

// `known` are all keys that the table may have.
[[noreturn]] void refuse_unknown(const ConfigTable::State& state, std::string_view key,
                                 std::span<const std::string> known) {
  const std::string alike = nearest(key, known);
  if (is_misspelt(key, alike))
    refuse(state, key, fmt::format("is not a known key; the nearest is \"{}\"", alike));
  refuse(state, key,
         fmt::format("is not a known key; the known ones are {}", fmt::join(known, ", ")));
}

// A misspelt key explains a missing one. `keys`: what it may be called.
[[noreturn]] void refuse_missing(const ConfigTable::State& state, std::span<const std::string> keys,
                                 const std::string& needed) {
  std::vector<std::string> strangers;
  if (state.node != nullptr) {
    for (const auto& [name, value] : *state.node) {
      if (!state.asked.contains(name.str())) strangers.emplace_back(name.str());
    }
  }
  for (const std::string& key : keys) {
    const std::string alike = nearest(key, strangers);
    if (is_misspelt(alike, key)) refuse_unknown(state, alike, {&key, 1});
  }
  refuse(state, keys.front(), fmt::format("is missing, needed {}", needed));
}

[[noreturn]] void refuse_missing(const ConfigTable::State& state, std::string_view key,
                                 const std::string& needed) {
  const std::string name(key);
  refuse_missing(state, {&name, 1}, needed);
}

// The required or defaulted scalar under `key`; `convert` returns nullopt for a value of another
// type or out of range.
template <class Value, class Convert>
Value scalar(ConfigTable::State& state, std::string_view key, const std::optional<Value>& fallback,
             const std::string& needed, Convert&& convert) {
  const toml::node* node = look_up(state, key);
  if (node == nullptr) {
    if (fallback) return *fallback;
    refuse_missing(state, key, needed);
  }
  const std::optional<Value> value = convert(*node);
  if (!value) refuse(state, key, fmt::format("seen {}, needed {}", describe(*node), needed));
  return *value;
}

std::optional<std::int64_t> integer_in(const toml::node& node, std::int64_t low,
                                       std::int64_t high) {
  std::optional<std::int64_t> value = node.value_exact<std::int64_t>();
  if (!value) {  // 5e6 is a float in TOML, but an integer to anybody who writes it
    const std::optional<double> real = node.value_exact<double>();
    if (real && *real == std::floor(*real) && std::abs(*real) < 0x1p53)
      value = static_cast<std::int64_t>(*real);
  }
  return value && *value >= low && *value <= high ? value : std::nullopt;
}

std::optional<double> number_in(const toml::node& node, double low, double high) {
  if (!node.is_number()) return std::nullopt;
  const std::optional<double> value = node.value<double>();
  return value && *value >= low && *value <= high ? value : std::nullopt;
}

std::string integer_range(std::int64_t low, std::int64_t high) {
  if (high == std::numeric_limits<std::int64_t>::max())
    return fmt::format("an integer of at least {}", low);
  return fmt::format("an integer from {} to {}", low, high);
}

std::string number_range(double low, double high) {
  if (low == std::numeric_limits<double>::min())
    return fmt::format("a number above 0, up to {}", high);
  return fmt::format("a number from {} to {}", low, high);
}

// Nothing that a file's name or a message of one line could not hold.
std::optional<std::string> text_in(const toml::node& node) {
  std::optional<std::string> text = node.value_exact<std::string>();
  const auto is_control = [](unsigned char c) { return c < ' '; };
  return text && std::ranges::none_of(*text, is_control) ? text : std::nullopt;
}

template <class Value, class Convert>
std::vector<Value> list(ConfigTable::State& state, std::string_view key, const std::string& needed,
                        Convert&& convert) {
  const toml::node* node = look_up(state, key);
  if (node == nullptr) refuse_missing(state, key, "a list of " + needed);
  std::vector<Value> values;
  const toml::array* array = node->as_array();
  if (array == nullptr || array->empty())
    refuse(state, key, fmt::format("seen {}, needed a list of {}", describe(*node), needed));
  for (const toml::node& element : *array) {
    const std::optional<Value> value = convert(element);
    if (!value)
      refuse(state, key, fmt::format("seen {} in the list, needed {}", describe(element), needed));
    values.push_back(*value);
  }
  return values;
}

ConfigTable::State& child(ConfigTable::State& state, const std::string& name,
                          const toml::table* node) {
  auto& slot = state.children[name];
  if (!slot)
    slot.reset(new ConfigTable::State{state.document, state.path + name + ".", node, {}, {}});
  return *slot;
}

}  // namespace

bool ConfigTable::has(std::string_view key) const {
  return state_->node != nullptr && state_->node->contains(key);
}

bool ConfigTable::is_table(std::string_view key) const {
  return has(key) && state_->node->get(key)->is_table();
}

std::vector<std::string> ConfigTable::keys() const {
  std::vector<std::string> names;
  if (state_->node != nullptr) {
    for (const auto& [key, value] : *state_->node) names.emplace_back(key.str());
  }
  return names;
}

std::int64_t ConfigTable::integer(std::string_view key, std::int64_t low, std::int64_t high,
                                  std::optional<std::int64_t> fallback) {
  return scalar<std::int64_t>(*state_, key, fallback, integer_range(low, high),
                              [&](const toml::node& node) { return integer_in(node, low, high); });
}

double ConfigTable::number(std::string_view key, double low, double high,
                           std::optional<double> fallback) {
  return scalar<double>(*state_, key, fallback, number_range(low, high),
                        [&](const toml::node& node) { return number_in(node, low, high); });
}

bool ConfigTable::boolean(std::string_view key, std::optional<bool> fallback) {
  return scalar<bool>(*state_, key, fallback, "true or false",
                      [](const toml::node& node) { return node.value_exact<bool>(); });
}

std::string ConfigTable::string(std::string_view key, std::optional<std::string> fallback) {
  return scalar<std::string>(*state_, key, fallback,
                             "a string in quotes, of one line without control characters", text_in);
}

std::string ConfigTable::choice(std::string_view key, std::span<const std::string> allowed,
                                std::optional<std::string> fallback) {
  const std::string needed = fmt::format("one of \"{}\"", fmt::join(allowed, "\", \""));
  return scalar<std::string>(*state_, key, fallback, needed, [&](const toml::node& node) {
    const auto value = node.value_exact<std::string>();
    return value && std::ranges::find(allowed, *value) != allowed.end() ? value : std::nullopt;
  });
}

std::vector<std::int64_t> ConfigTable::integers(std::string_view key, std::int64_t low,
                                                std::int64_t high) {
  return list<std::int64_t>(*state_, key, integer_range(low, high),
                            [&](const toml::node& node) { return integer_in(node, low, high); });
}

std::vector<double> ConfigTable::numbers(std::string_view key, double low, double high) {
  return list<double>(*state_, key, number_range(low, high),
                      [&](const toml::node& node) { return number_in(node, low, high); });
}

std::vector<std::string> ConfigTable::strings(std::string_view key) {
  return list<std::string>(*state_, key, "strings in quotes",
                           [](const toml::node& node) { return node.value_exact<std::string>(); });
}

ConfigTable ConfigTable::table(std::string_view key) {
  const toml::node* node = look_up(*state_, key);
  if (node != nullptr && !node->is_table())
    fail(key, fmt::format("seen {}, needed a table", describe(*node)));
  return ConfigTable(
      &child(*state_, std::string(key), node == nullptr ? nullptr : node->as_table()));
}

std::vector<ConfigTable> ConfigTable::tables(std::string_view key) {
  const toml::node* node = look_up(*state_, key);
  std::vector<ConfigTable> result;
  if (node == nullptr) return result;
  const toml::array* array = node->as_array();
  if (array == nullptr) fail(key, fmt::format("seen {}, needed a list of tables", describe(*node)));
  for (std::size_t i = 0; i < array->size(); ++i) {
    const toml::table* element = array->get(i)->as_table();
    if (element == nullptr)
      fail(key, fmt::format("seen {} in the list, needed a table", describe(*array->get(i))));
    result.emplace_back(&child(*state_, fmt::format("{}[{}]", key, i), element));
  }
  return result;
}

void ConfigTable::refuse_unknown_keys() const {
  if (state_->node != nullptr) {
    for (const auto& [key, value] : *state_->node) {
      if (state_->asked.contains(key.str())) continue;
      const std::vector<std::string> known(state_->asked.begin(), state_->asked.end());
      refuse_unknown(*state_, key.str(), known);
    }
  }
  for (const auto& [name, state] : state_->children) ConfigTable(state.get()).refuse_unknown_keys();
}

void ConfigTable::refuse_all_but(std::span<const std::string_view> known) const {
  const std::vector<std::string> names(known.begin(), known.end());
  for (const std::string& key : keys())
    if (std::ranges::find(names, key) == names.end()) refuse_unknown(*state_, key, names);
}

void ConfigTable::fail_missing(std::span<const std::string> keys, const std::string& needed) const {
  refuse_missing(*state_, keys, needed);
}

void ConfigTable::fail(std::string_view key, const std::string& message) const {
  refuse(*state_, key, message);
}

std::string ConfigTable::place(std::string_view key) const { return place_of(*state_, key); }

}  // namespace isoflop
