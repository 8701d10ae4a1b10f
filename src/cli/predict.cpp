#include "laws/predict/predict.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "core/error.hpp"
#include "laws/fit/theta.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/law/law.hpp"
#include "laws/points/csv.hpp"
#include "laws/predict/predict_curve.hpp"
#include "laws/predict/prediction_json.hpp"
#include "laws/predict/report.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::string fit;
  laws::RunSize run;
  std::string points;
  std::string schedule;
  std::vector<std::string> columns;
  double level = 0.8;
  std::string json;
};

std::vector<laws::Prediction> predict_points(const Options& options, const laws::Fit& fit) {
  std::vector<laws::Variable> needed = laws::find_law(fit.law).variables;
  if (!fit.variable.empty()) needed = {laws::variable_from(fit.variable)};
  if (fit.is_frontier()) needed = {laws::Variable::flops};
  const laws::Points points = laws::read_csv(
      options.points, laws::parse_column_names(options.columns), needed, laws::Rows::asked);
  laws::require_same_kind(points.conventions, fit.conventions, options.points);
  std::vector<laws::Prediction> predictions;
  predictions.reserve(points.size());
  for (std::size_t row = 0; row < points.size(); ++row) {
    laws::RunSize run;
    for (const laws::VariableInfo& variable : laws::all_variables())
      if (const auto& column = laws::column(points, variable.variable); !column.empty())
        laws::quantity(run, variable.variable) = column[row];
    predictions.push_back(laws::predict(fit, run, options.level));
  }
  return predictions;
}

/// Sizes are of the run itself; all else is read by a law of the fit, or refused.
void require_used(const Options& options, const laws::Fit& fit) {
  require(options.schedule.empty() || options.points.empty(),
          "predict: --schedule excludes --points: give one file");
  for (const laws::VariableInfo& variable : laws::all_variables()) {
    if (!laws::quantity(options.run, variable.variable)) continue;
    std::string option(variable.name);
    std::ranges::replace(option, '_', '-');
    const char* file = options.schedule.empty() ? "--points" : "--schedule";
    require(options.points.empty() && options.schedule.empty(),
            "predict: {} excludes --{}: the file says what to predict for", file, option);
    require(variable.variable <= laws::Variable::flops || laws::reads(fit, variable.variable),
            "predict: --{}: the fit of law {} does not read it", option, fit.law);
  }
}

void run(const Options& options) {
  const laws::Fit fit = laws::fit_from_json(read_named_file(options.fit), options.fit);
  require_used(options, fit);
  if (!options.schedule.empty()) {
    constexpr laws::Variable kSchedule[] = {laws::Variable::steps, laws::Variable::learning_rate};
    const laws::Points schedule = laws::read_csv(
        options.schedule, laws::parse_column_names(options.columns), kSchedule, laws::Rows::asked);
    laws::require_same_kind(schedule.conventions, fit.conventions, options.schedule);
    const auto curve = laws::predict_curve(fit, schedule, options.level);
    print_result(laws::describe(fit, curve), laws::to_json(curve), options.json);
    return;
  }
  if (options.points.empty()) {
    const laws::Prediction prediction = laws::predict(fit, options.run, options.level);
    print_result(laws::describe(fit, {prediction}), laws::to_json(prediction), options.json);
    return;
  }
  const std::vector<laws::Prediction> predictions = predict_points(options, fit);
  print_result(
      laws::describe(fit, predictions),
      [&](std::ostream& out) { laws::write_members(out, predictions); }, options.json);
}

}  // namespace

void add_predict(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("predict", "Predict the loss, or what else the law gives, of a run");
  const auto options = std::make_shared<Options>();
  command->add_option("fit", options->fit, "FIT.json written by isoflop fit")->required();
  command->add_option(
      "--flops", options->run.flops,
      "Training compute C [FLOP]: alone, the loss at the best params and tokens; with one "
      "of them, C = 6 N D gives the other");
  command->add_option("--params", options->run.params,
                      "Parameters, counted as in the fitted points");
  command->add_option("--tokens", options->run.tokens, "Training tokens");
  command->add_option("--steps", options->run.steps, "Smin, for law kaplan-ns");
  command->add_option("--unique-tokens", options->run.unique_tokens,
                      "Different training tokens there are, for law repeated-data");
  command->add_option("--loss", options->run.loss, "Loss, for laws from loss to accuracy");
  command->add_option("--task-loss", options->run.task_loss,
                      "Loss of the right answers, for laws from loss to accuracy");
  command->add_option("--points", options->points,
                      "CSV with a row a run: the columns that the law reads");
  command->add_option("--schedule", options->schedule,
                      "CSV with the columns step and lr, for law multi-power: the loss along it");
  command->add_option("--column", options->columns, "COLUMN=NAME where the CSV's name differs");
  command->add_option("--level", options->level, "Level of the interval")->capture_default_str();
  add_output(*command, "--json", options->json, "Write the prediction to this file, - for stdout");
  command->callback([options] { run(*options); });
}

}  // namespace isoflop::cli
