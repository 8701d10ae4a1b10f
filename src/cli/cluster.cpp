#include <CLI/CLI.hpp>

#include "cli/commands.hpp"

namespace isoflop::cli {

void add_cluster(CLI::App& app) {
  CLI::App* cluster = app.add_subcommand("cluster", "Plan how to use many ranks");
  cluster->require_subcommand(1);
  add_cluster_plan(*cluster);
  add_cluster_layouts(*cluster);
}

}  // namespace isoflop::cli
