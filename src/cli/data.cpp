#include "cli/data.hpp"

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"

namespace isoflop::cli {

void add_data(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Make token files out of text, and look into them");
  data->require_subcommand(1);
  add_data_prepare(*data);
  add_data_inspect(*data);
}

}  // namespace isoflop::cli
