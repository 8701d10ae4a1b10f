// What ConfigTable and ConfigDocument share: a table of toml++, which nobody else sees.
#pragma once

#include <toml++/toml.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/config_table.hpp"

namespace isoflop {

/// What is known of one table: its node (null when absent), where it stands, and which keys were
/// asked for.
struct ConfigTable::State {
  const std::string* document;
  std::string path;  // "model.", or "" for the root
  const toml::table* node;
  std::set<std::string, std::less<>> asked;
  std::map<std::string, std::unique_ptr<State>, std::less<>> children;
};

}  // namespace isoflop
