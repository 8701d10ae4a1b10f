#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/points.hpp"
#include "cli/seed.hpp"
#include "core/error.hpp"
#include "laws/fit/allocation.hpp"
#include "laws/fit/theta.hpp"
#include "laws/plan/design_report.hpp"
#include "laws/plan/optimal.hpp"

namespace isoflop::cli {
namespace {

constexpr std::size_t kMostRuns = 10'000;
constexpr std::size_t kMostPoints = 1'000'000'000;

struct Options {
  std::string points;
  std::vector<std::string> columns;
  laws::DesignOptions design;
  std::optional<double> params, tokens, flops;
  std::string json;
};

/// A target given by its compute is the best run of that compute, by a fit without intervals.
laws::Candidate target_of(const Options& options, const laws::Points& points) {
  if (!options.flops) {
    require(options.params && options.tokens,
            "suggest: needs a target: --target-params and --target-tokens, or --target-flops");
    return {*options.params, *options.tokens};
  }
  require(!options.params && !options.tokens,
          "--target-flops excludes --target-params and --target-tokens");
  laws::FitOptions plain = options.design.fit;
  plain.bootstrap = 0;
  const laws::Fit fit = laws::fit(points, plain);
  require(!laws::reads(fit, laws::Variable::unique_tokens),
          "suggest: law {} reads unique_tokens, but runs are planned by params and tokens: choose "
          "another law",
          fit.law);
  const laws::Optimum best = laws::optimal(fit, *options.flops);
  return {best.params, best.tokens};
}

void run(Options options) {
  const std::string& law = options.design.fit.law;
  const laws::Points points = read_points(options.points, options.columns, laws::columns_of(law),
                                          RunRows::final_losses, laws::counts_embeddings(law));
  options.design.target = target_of(options, points);
  const laws::Design design = laws::suggest(points, options.design);
  print_result(laws::describe(design, options.design), laws::to_json(design, options.design),
               options.json);
}

void add_target_options(CLI::App& command, Options& options) {
  command.add_option("--target-params", options.params, "N of the run to predict");
  command.add_option("--target-tokens", options.tokens, "D of the run to predict");
  command.add_option("--target-flops", options.flops,
                     "Or its compute: N and D are then the best by the fit");
  laws::DesignOptions& design = options.design;
  command.add_option("--budget", design.budget, "FLOP for all new runs together")->required();
  command.add_option("--runs", design.most_runs, "At most so many new runs")
      ->check(CLI::Range(std::size_t{1}, kMostRuns))
      ->capture_default_str();
  command
      .add_option("--sizes", design.sizes, "Model sizes to choose from (default: four a decade)")
      ->delimiter(',');
  command.add_option("--level", design.level, "Level of the intervals")->capture_default_str();
}

void add_fit_options(CLI::App& command, Options& options) {
  laws::FitOptions& fit = options.design.fit;
  command.add_option("--law", fit.law, "Law or ensemble, see isoflop fit --list-laws")->required();
  command.add_option("--huber-delta", fit.huber_delta, "Width of the Huber loss in ln loss")
      ->capture_default_str();
  command.add_option("--drop-worst", fit.drop_worst, "Leave out this many of the highest losses")
      ->check(CLI::Range(std::size_t{0}, kMostPoints));
  command.add_option("--bootstrap", fit.bootstrap, "Draws for the interval before")
      ->check(CLI::Range(std::size_t{0}, laws::kMostDraws))
      ->capture_default_str();
  add_seed(command, fit.seed, "Seed of the draws");
}

}  // namespace

void add_suggest(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "suggest", "The next runs that narrow the prediction of a target most for their FLOP");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("points", options->points, "RESULTS.h5 of a sweep, or POINTS.csv: runs so far")
      ->required();
  add_target_options(*command, *options);
  add_fit_options(*command, *options);
  command->add_option(
      "--column", options->columns,
      "COLUMN=NAME where the file's name differs, for example params=\"Model Size\"");
  add_output(*command, "--json", options->json, "Write the plan to this file, - for stdout");
  command->footer(
      "Example: 1% of the target's compute, spent where it tells most about the target:\n"
      "  isoflop suggest points.csv --law chinchilla --target-params 7e9 --target-tokens 1.4e11 "
      "--budget 6e19");
  command->callback([options] { run(*options); });
}

}  // namespace isoflop::cli
