#include "laws/fit/fit.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/points.hpp"
#include "cli/seed.hpp"
#include "core/error.hpp"
#include "laws/fit/fixed.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/law/law.hpp"
#include "laws/points/best_runs.hpp"
#include "laws/points/critical_batch.hpp"
#include "laws/points/weights.hpp"
#include "laws/predict/report.hpp"
#include "laws/search/objective.hpp"

namespace isoflop::cli {
namespace {

constexpr std::size_t kMostPoints = 1'000'000'000;

struct Options {
  std::string points;
  laws::FitOptions fit;
  std::vector<std::string> columns;
  std::string critical_batch;
  std::string weight_by;
  std::string loss = "huber";
  std::vector<std::string> fixed;
  std::string json;
  Kinds kinds;
  bool best_runs = false;
  bool list_laws = false;
};

/// How the runs of the points are read.
RunRows rows_of(const laws::FitOptions& fit) {
  if (fit.method == "approach1") return RunRows::curves;
  return laws::reads_curves(fit.law) ? RunRows::schedules : RunRows::final_losses;
}

bool is_weight_column(const std::string& weight_by) {
  return !weight_by.empty() && weight_by != "compute" && weight_by != "replicates";
}

laws::Points read(const Options& options, RunRows rows) {
  const laws::FitOptions& fit = options.fit;
  std::vector<laws::Variable> needed = laws::columns_of(fit.law);
  if (!fit.variable.empty()) needed.push_back(laws::variable_from(fit.variable));
  if (!options.critical_batch.empty()) needed.push_back(laws::Variable::batch);
  std::vector<laws::Variable> wanted = laws::variables_of(fit.law);
  // what a law of N and D does not read, but is warned by
  wanted.insert(wanted.end(), {laws::Variable::unique_tokens, laws::Variable::learning_rate,
                               laws::Variable::batch});
  std::vector<std::string> columns = options.columns;
  if (is_weight_column(options.weight_by)) columns.push_back("weight=" + options.weight_by);
  return read_points(options.points, columns, needed, rows, laws::counts_embeddings(fit.law),
                     wanted, options.kinds);
}

/// The points with what the options make of them.
laws::Points points_for(const Options& options) {
  const RunRows rows = rows_of(options.fit);
  laws::Points points = read(options, rows);
  if (options.best_runs) {
    require(rows == RunRows::final_losses,
            "best-runs: {} reads whole curves, needed a law of final losses",
            rows == RunRows::curves ? "approach1" : options.fit.law);
    points = laws::keep_best(points);
  }
  if (!options.critical_batch.empty())
    points = laws::at_limiting_batch(std::move(points),
                                     laws::parse_critical_batch(options.critical_batch));
  if (!options.weight_by.empty() && !is_weight_column(options.weight_by))
    points = laws::weigh(points, options.weight_by);
  return points;
}

void run(const Options& options) {
  if (options.list_laws) {
    fmt::print("{}", laws::describe_laws());
    return;
  }
  require(!options.points.empty(),
          "fit: no file of points: isoflop fit POINTS.csv --law chinchilla");
  require(!options.fit.law.empty(), "fit: no law: add --law NAME (isoflop fit --list-laws)");
  laws::FitOptions how = options.fit;
  if (options.loss != "huber") how.huber_delta = laws::width_of(options.loss);
  for (const std::string& text : options.fixed) how.fixed.push_back(laws::parse_fixed(text));
  how.details = true;
  const laws::Fit fit = laws::fit(points_for(options), how);
  print_result(laws::describe(fit), laws::to_json(fit), options.json);
}

void add_reading(CLI::App& command, Options& options) {
  command.add_option(
      "points", options.points,
      "RESULTS.h5 of a sweep, or POINTS.csv with the columns that the law needs (most: params, "
      "tokens, loss [nats/token]); optional flops, weight, group, name, status, warmup_tokens, and "
      "what the numbers mean: params_kind, flops_kind, loss_unit, bytes_per_token, stage, "
      "tokenizer, data, context, evaluation, smoothing "
      "(docs/tutorials/02-fit-your-own-csv.md)");
  command
      .add_option("--params-kind", options.kinds.params,
                  "What params of a RESULTS.h5 counts (default: as the law's source did)")
      ->check(CLI::IsMember({"total", "non-embedding"}));
  command
      .add_option("--flops-kind", options.kinds.flops,
                  "What flops of a RESULTS.h5 counts: 6nd (default), or every operation")
      ->check(CLI::IsMember({"6nd", "exact"}));
}

void add_law(CLI::App& command, Options& options) {
  command.add_option("--law", options.fit.law, "Law or ensemble, see --list-laws");
  command.add_option("--method", options.fit.method,
                     "chinchilla: approach3 (default), approach2, approach1");
  command.add_option(
      "--variable", options.fit.variable,
      "Laws of one variable X: the column to read (power and power-offset, default: the one of "
      "params and tokens that varies, or flops)");
  command
      .add_option("--loss", options.loss,
                  "What is minimised: huber, squares or absolute (deviations), of what the law is "
                  "fitted to: ln loss, for most")
      ->check(CLI::IsMember({"huber", "squares", "absolute"}))
      ->capture_default_str();
  command
      .add_option("--huber-delta", options.fit.huber_delta,
                  "Width of --loss huber: smaller misses count squared, larger ones by size")
      ->capture_default_str();
  command.add_option("--fix", options.fixed,
                     "NAME=VALUE: hold this parameter, fit the others (E=1.8); may be repeated");
}

void add_intervals(CLI::App& command, Options& options) {
  command.add_option("--bootstrap", options.fit.bootstrap, "Draws for the intervals, 0 for none")
      ->check(CLI::Range(std::size_t{0}, laws::kMostDraws))
      ->capture_default_str();
  add_seed(command, options.fit.seed, "Seed of the draws");
  command.add_option("--level", options.fit.level, "Level of the intervals")->capture_default_str();
  command
      .add_option("--interval", options.fit.interval,
                  "Draws for the intervals of parameters: pairs (points, or whole groups, drawn "
                  "again: right for any noise) or residuals (every point stays, what the law "
                  "misses is drawn: for even noise on few points). Profile likelihoods of E and "
                  "a stand beside them; intervals of predictions come from rollout")
      ->capture_default_str();
}

void add_choice_of_points(CLI::App& command, Options& options) {
  command
      .add_option("--drop-worst", options.fit.drop_worst,
                  "Leave out this many of the highest losses")
      ->check(CLI::Range(std::size_t{0}, kMostPoints));
  command
      .add_option("--drop-outliers", options.fit.drop_outliers,
                  "Leave out this many of the points that a robust fit misses most")
      ->check(CLI::Range(std::size_t{0}, kMostPoints));
  command.add_flag(
      "--best-runs", options.best_runs,
      "Of runs of the same params and tokens keep those of the learning rate and batch "
      "with the lowest mean loss; says where the best is at the edge of its sweep");
  command.add_option("--weight-by", options.weight_by,
                     "Weights of the points: compute (C over its mean), replicates (noise between "
                     "runs of one size), or the name of a column");
  command.add_option(
      "--column", options.columns,
      "COLUMN=NAME where the file's name differs, for example params=\"Model Size\"");
  command.add_option("--critical-batch", options.critical_batch,
                     "B*,aB (Kaplan: 2.1e8,0.21): replace steps by Smin and flops by Cmin, with "
                     "Bcrit = B*/L^(1/aB) and the columns batch [tokens a step] and loss");
}

}  // namespace

void add_fit(CLI::App& app) {
  CLI::App* command = app.add_subcommand("fit", "Fit a scaling law to measured losses");
  const auto options = std::make_shared<Options>();
  add_reading(*command, *options);
  add_law(*command, *options);
  add_intervals(*command, *options);
  add_choice_of_points(*command, *options);
  add_output(*command, "--json", options->json, "Write the fit to this file, - for stdout");
  command->add_flag("--list-laws", options->list_laws, "Print the laws and stop");
  command->callback([options, command] {
    require(options->loss == "huber" || command->count("--huber-delta") == 0,
            "huber-delta: belongs to --loss huber, saw --loss {}: leave one out", options->loss);
    run(*options);
  });
}

}  // namespace isoflop::cli
