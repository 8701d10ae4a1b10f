#include "laws/predict.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "core/error.hpp"
#include "laws/csv.hpp"
#include "laws/fit_json.hpp"
#include "laws/report.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::string fit;
  laws::RunSize run;
  std::string points;
  std::vector<std::string> columns;
  double level = 0.8;
  std::string json;
};

std::vector<laws::RunSize> read_sizes(const std::string& path,
                                      const std::vector<std::string>& columns) {
  const laws::Points points =
      laws::read_csv(path, laws::parse_column_names(columns), laws::Need::no_loss);
  std::vector<laws::RunSize> runs;
  for (std::size_t row = 0; row < points.size(); ++row) {
    laws::RunSize run{points.params[row], points.tokens[row], std::nullopt, std::nullopt};
    if (!points.flops.empty()) run.flops = points.flops[row];
    if (!points.steps.empty()) run.steps = points.steps[row];
    runs.push_back(run);
  }
  return runs;
}

void run(const Options& options) {
  const laws::Fit fit = laws::fit_from_json(read_named_file(options.fit), options.fit);
  if (options.points.empty()) {
    const laws::Prediction prediction = laws::predict(fit, options.run, options.level);
    print_result(laws::describe(fit, {prediction}), laws::to_json(prediction), options.json);
    return;
  }
  const bool sizes_too = options.run.params || options.run.tokens || options.run.flops;
  require(!sizes_too, "predict: --points excludes --params, --tokens and --flops");
  std::vector<laws::Prediction> predictions;
  for (const laws::RunSize& size : read_sizes(options.points, options.columns))
    predictions.push_back(laws::predict(fit, size, options.level));
  print_result(laws::describe(fit, predictions), laws::to_json(predictions), options.json);
}

}  // namespace

void add_predict(CLI::App& app) {
  CLI::App* command = app.add_subcommand("predict", "Predict the loss of a run from a fit");
  const auto options = std::make_shared<Options>();
  command->add_option("fit", options->fit, "FIT.json written by isoflop fit")->required();
  command->add_option("--flops", options->run.flops,
                      "Training compute C [FLOP]: the loss at the best params and tokens");
  command->add_option("--params", options->run.params,
                      "Parameters, counted as in the fitted points");
  command->add_option("--tokens", options->run.tokens, "Training tokens");
  command->add_option("--steps", options->run.steps, "Smin, for law kaplan-ns");
  command->add_option("--points", options->points, "CSV with a row a run: params, tokens");
  command->add_option("--column", options->columns, "COLUMN=NAME where the CSV's name differs");
  command->add_option("--level", options->level, "Level of the interval")->capture_default_str();
  command->add_option("--json", options->json, "Write the prediction to this file, - for stdout");
  command->callback([options] { run(*options); });
}

}  // namespace isoflop::cli
