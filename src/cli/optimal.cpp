#include "laws/optimal.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "laws/fit_json.hpp"
#include "laws/optimal_report.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::string fit;
  double flops = 0;
  double level = 0.8;
  std::string json;
};

void run(const Options& options) {
  const laws::Fit fit = laws::fit_from_json(read_named_file(options.fit), options.fit);
  const laws::Optimum optimum = laws::optimal(fit, options.flops, options.level);
  print_result(laws::describe(fit, optimum), laws::to_json(optimum), options.json);
}

}  // namespace

void add_optimal(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("optimal", "Best parameters and tokens for a compute budget");
  const auto options = std::make_shared<Options>();
  command->add_option("fit", options->fit, "FIT.json written by isoflop fit")->required();
  command->add_option("--flops", options->flops, "Training compute C = 6 N D [FLOP]")->required();
  command->add_option("--level", options->level, "Level of the intervals")->capture_default_str();
  command->add_option("--json", options->json, "Write the result to this file, - for stdout");
  command->callback([options] { run(*options); });
}

}  // namespace isoflop::cli
