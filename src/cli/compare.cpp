#include "laws/predict/compare.hpp"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/points.hpp"
#include "cli/seed.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::string points;
  std::vector<std::string> columns;
  laws::CompareOptions how;
  std::string json;
};

void run(const Options& options) {
  const laws::ComparedColumns columns = laws::columns_to_compare(options.how);
  const laws::Points points = read_points(options.points, options.columns, columns.needed,
                                          RunRows::final_losses, true, columns.wanted);
  const laws::Comparison comparison = laws::compare(points, options.how);
  print_result(laws::describe(comparison), laws::to_json(comparison), options.json);
}

}  // namespace

void add_compare(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "compare", "Which law to believe: errors at larger compute of fits to less compute");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("points", options->points,
                   "RESULTS.h5 of a sweep (all parameters counted), or POINTS.csv")
      ->required();
  command
      ->add_option("--laws", options->how.laws,
                   "Laws to compare, separated by commas (default: every law of the loss that the "
                   "points suffice for)")
      ->delimiter(',');
  command
      ->add_option("--huber-delta", options->how.huber_delta, "Width of the Huber loss in ln loss")
      ->capture_default_str();
  command
      ->add_option("--bootstrap", options->how.bootstrap,
                   "Draws of the held-out points, to tell differences from noise")
      ->check(CLI::Range(std::size_t{0}, laws::kMostDraws))
      ->capture_default_str();
  command->add_option("--drop-worst", options->how.drop_worst,
                      "Leave out this many of the highest losses");
  add_seed(*command, options->how.seed, "Seed of the draws");
  command->add_option(
      "--column", options->columns,
      "COLUMN=NAME where the file's name differs, for example params=\"Model Size\"");
  add_output(*command, "--json", options->json, "Write the comparison to this file, - for stdout");
  command->footer(
      "The rollout error is what counts: more parameters always fit the points at hand better, and "
      "often\npredict worse. A difference within noise is no reason to prefer a law.");
  command->callback([options] { run(*options); });
}

}  // namespace isoflop::cli
