#include "laws/tasks/emergence.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/seed.hpp"
#include "core/error.hpp"
#include "laws/points/csv.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::string scores, against;
  std::vector<std::string> columns;
  laws::EmergenceOptions how;
  std::optional<double> items;
  bool log_prob = false;
  std::string json;
};

void run(const Options& options) {
  const laws::ColumnNames names = laws::parse_column_names(
      options.columns, {"flops", "params", "tokens", "score", "task", "accuracy", "items"},
      "score=\"answer bpb\"");
  require(!options.items || *options.items >= 1, "--items: saw {}, needed at least 1",
          options.items.value_or(0));
  laws::ScoresFile file = laws::read_scores(read_named_file(options.scores), options.scores, names,
                                            options.against, options.log_prob);
  laws::EmergenceOptions how = options.how;
  how.size = laws::variable_from(file.size);
  std::vector<laws::Emergence> tasks;
  for (laws::TaskScores& task : file.tasks) {
    if (options.items && task.items.empty()) task.items.assign(task.size.size(), *options.items);
    tasks.push_back(laws::examine(task, how));
  }
  print_result(laws::describe(tasks, file.size), laws::to_json(tasks, file.size), options.json);
}

}  // namespace

void add_emergence(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "emergence", "Task scores along scale: jumps, turns, noise, and what may be extrapolated");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("scores", options->scores,
                   "CSV, a row a run and task: flops (or params, tokens), score (continuous: loss "
                   "or bits a byte of the right answer), accuracy (exact match); optional task, "
                   "items (how many the accuracy is a share of)")
      ->required();
  command->add_option("--against", options->against, "The size: flops, params or tokens")
      ->check(CLI::IsMember({"flops", "params", "tokens"}));
  command
      ->add_option("--chance", options->how.chance, "Accuracy of guessing, 0.25 for four choices")
      ->capture_default_str();
  command->add_option("--ceiling", options->how.ceiling, "Accuracy of a perfect model")
      ->capture_default_str();
  command->add_option("--items", options->items, "Items of every task without a column items");
  command->add_flag("--log-prob", options->log_prob,
                    "The score is a log-probability: higher is better");
  command->add_option("--at", options->how.at,
                      "Extrapolate to this size, where the score improves with size");
  command->add_option("--level", options->how.level, "Level of the intervals")
      ->capture_default_str();
  add_seed(*command, options->how.seed, "Seed of the tests");
  command->add_option("--column", options->columns, "COLUMN=NAME where the file's name differs");
  add_output(*command, "--json", options->json, "Write the report to this file, - for stdout");
  command->footer(
      "Exact match over k tokens is about p^k: it jumps where the probability p of a token grows "
      "smoothly.\nSo look at the continuous score first, and extrapolate that.");
  command->callback([options] { run(*options); });
}

}  // namespace isoflop::cli
