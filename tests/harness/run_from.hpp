// A run configuration from text.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.hpp"
#include "core/config_document.hpp"

namespace isoflop::test {

/// `sets`: assignments as of --set.
inline config::RunConfig run_from(const char* text, const std::vector<std::string>& sets) {
  ConfigDocument document = ConfigDocument::from_text(text, "run.toml");
  for (const std::string& assignment : sets) document.set(assignment);
  return config::read_run_config(document.root());
}

}  // namespace isoflop::test
