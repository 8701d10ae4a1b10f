#include "laws/plan/optimal.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/memory_bound.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "experiment/recipe.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/json/json_parts.hpp"
#include "laws/plan/optimal_report.hpp"
#include "laws/predict/report.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::string fit, learning_rate_fit, batch_fit;
  laws::Goal goal;
  std::optional<double> hours;
  laws::Machine machine;
  std::optional<std::uint64_t> memory;  // bytes of one GPU
  model::Family family;
  double level = 0.8;
  std::string json;
};

laws::Fit read_fit(const std::string& path) {
  return laws::fit_from_json(read_named_file(path), path);
}

laws::Goal goal_of(const Options& options) {
  laws::Goal goal = options.goal;
  const int given = goal.flops.has_value() + goal.loss.has_value() + options.hours.has_value();
  require(given == 1,
          "optimal: needs one of --flops, --loss and --hours (with --gpus, "
          "--peak-flops and --mfu), saw {}",
          given);
  require(options.machine.gpus == 1 || options.memory || options.machine.peak_flops > 0,
          "--gpus: says nothing without --peak-flops (for the hours) or --memory: give one");
  if (!options.hours) return goal;
  require(goal.demand.inference_tokens == 0,
          "--hours bounds training alone: give --inference-tokens with --flops (for both) or "
          "--loss");
  goal.flops = laws::flops_within(options.machine, *options.hours);
  return goal;
}

/// What the optimum for training alone would cost and lose with the same demand.
std::string comparison(const laws::Fit& fit, const laws::Goal& goal, const laws::Optimum& optimum) {
  const double tokens = goal.demand.inference_tokens;
  if (tokens == 0) return "";
  laws::Goal plain;
  plain.loss = optimum.prediction.value;
  plain.demand = goal.demand;
  plain.demand.inference_tokens = 0;
  laws::Fit centre = fit;
  centre.draws = {};  // no intervals here
  laws::Optimum trained;
  try {
    trained = laws::optimal(centre, plain, 0.8);
  } catch (const InputError& error) {  // the result above stands
    return fmt::format("\nthe same loss, compute-optimal for training alone: none ({})\n",
                       error.what());
  }
  const double total = trained.flops + 2 * trained.params * tokens;
  return fmt::format(
      "\nthe same loss, compute-optimal for training alone: {} params, {} tokens, {:.4g} FLOP with "
      "inference ({:+.3g}%)\n",
      short_count(trained.params), short_count(trained.tokens), total,
      100 * (total / optimum.total_flops() - 1));
}

/// Why the optimum has no shape in the family (a vocabulary that outweighs it); empty: it has one.
std::string why_no_shape(const model::Family& family, double params) {
  try {
    model::shape_for(family, params);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// A size without a shape still has an optimum; all else that is wrong with a recipe is refused.
void add_recipe(const laws::Optimum& optimum, const experiment::RecipeOptions& how, double level,
                std::string& text, nlohmann::ordered_json& json) {
  if (const std::string reason = why_no_shape(how.family, optimum.params); !reason.empty()) {
    text += fmt::format("no recipe: {}\n", reason);
    json["recipe"] = nullptr;
    json["warnings"].push_back(fmt::format("no recipe: {}", reason));
    return;
  }
  const experiment::Recipe recipe = experiment::make_recipe(optimum, how, level);
  text += experiment::describe(recipe);
  json["recipe"] = experiment::json_of(recipe);
}

/// How long training takes on the machine, with an interval where the budget is none.
void add_hours(const Options& options, const laws::Optimum& optimum, std::string& text,
               nlohmann::ordered_json& json) {
  const double hours = laws::hours_for(options.machine, optimum.flops);
  text += fmt::format("  {:<14} {:>10.4g}   on {:g} GPUs of {:.3g} FLOP/s at {:.3g}% of the peak",
                      "hours", hours, options.machine.gpus, options.machine.peak_flops,
                      100 * options.machine.mfu);
  json["hours"] = hours;
  json["hours_interval"] = nullptr;
  if (const auto& flops = optimum.flops_interval; flops && options.goal.loss) {
    laws::Interval interval = *flops;
    interval.low = laws::hours_for(options.machine, flops->low);
    interval.high = laws::hours_for(options.machine, flops->high);
    text += fmt::format(", {:.4g} to {}", interval.low,
                        std::isfinite(interval.high) ? fmt::format("{:.4g}", interval.high)
                                                     : std::string("no limit"));
    json["hours_interval"] = laws::json_of(interval);
  }
  text += '\n';
}

std::string check_even(const std::string& seen) {
  constexpr int kMost = 65536;
  int width = 0;
  const bool good = CLI::detail::lexical_cast(seen, width) && width >= 0 && width <= kMost;
  return good && width % 2 == 0
             ? ""
             : fmt::format("saw '{}', needed an even number up to {}", seen, kMost);
}

std::string check_aspect(const std::string& seen) {
  double aspect = 0;
  const bool good = CLI::detail::lexical_cast(seen, aspect) && aspect >= 1 && aspect <= 1e4;
  return good ? "" : fmt::format("saw '{}', needed a number from 1 to 10000", seen);
}

void run(const Options& options) {
  const laws::Fit fit = read_fit(options.fit);
  laws::Goal goal = goal_of(options);
  model::Family family = options.family;
  family.count_embeddings = laws::counts_embeddings(fit);
  std::optional<MemoryBound> memory;
  if (options.memory) {
    require(!fit.is_frontier(),
            "--memory: {} knows the loss on the compute-optimal frontier only; fit with --method "
            "approach3",
            fit.method);
    memory = memory_bound(family, *options.memory, options.machine.gpus);
    goal.demand.most_params = memory->largest.params;
  }
  laws::Optimum optimum = laws::optimal(fit, goal, options.level);
  if (fit.conventions.params == "active")
    optimum.warnings.emplace_back(
        "params are the active ones of mixtures of experts: shape and memory are those of a dense "
        "model of so many");

  std::optional<laws::Fit> learning_rate, batch;
  if (!options.learning_rate_fit.empty()) learning_rate = read_fit(options.learning_rate_fit);
  if (!options.batch_fit.empty()) batch = read_fit(options.batch_fit);
  const experiment::RecipeOptions how{family, fit.conventions.params,
                                      learning_rate ? &*learning_rate : nullptr,
                                      batch ? &*batch : nullptr};
  std::string text = laws::describe(fit, optimum) + comparison(fit, goal, optimum);
  nlohmann::ordered_json json = laws::json_of(optimum);
  if (memory) {
    text += describe(*memory, goal, optimum);
    json["memory"] = json_of(*memory, optimum);
  }
  text += '\n';
  add_recipe(optimum, how, options.level, text, json);
  if (options.machine.peak_flops > 0) add_hours(options, optimum, text, json);
  print_result(text, json.dump(1) + "\n", options.json);
}

void add_goal_options(CLI::App& command, Options& options) {
  command.add_option("--flops", options.goal.flops,
                     "Budget [FLOP]: C = 6 N D, and 2 N D_inf with --inference-tokens");
  command.add_option(
      "--loss", options.goal.loss,
      "Instead of a budget: the cheapest run that reaches this loss, in the unit of the "
      "fit's points");
  command.add_option("--inference-tokens", options.goal.demand.inference_tokens,
                     "Tokens that the model will read and write after training; they cost 2 N FLOP "
                     "each and favour a smaller model trained for longer");
  command.add_option("--unique-tokens", options.goal.demand.unique_tokens,
                     "Different training tokens there are, for law repeated-data");
  command.add_option("--hours", options.hours,
                     "Instead of a budget: the wall-clock time of training on --gpus");
  command.add_option("--gpus", options.machine.gpus, "Devices")->capture_default_str();
  CLI::Option* peak = command.add_option("--peak-flops", options.machine.peak_flops,
                                         "FLOP/s of one device in the format used, dense "
                                         "(H100 bf16: 989e12)");
  CLI::Option* mfu = command.add_option("--mfu", options.machine.mfu,
                                        "Share of the peak that training uses, 0 to 1; measure it: "
                                        "isoflop bench train");
  peak->needs(mfu);
  mfu->needs(peak);
  command
      .add_option("--memory", options.memory,
                  "Memory of one device, as 80GB or 96GiB: N stays small enough to train on --gpus "
                  "of them in shards (ZeRO 3)")
      ->transform(CLI::AsSizeValue(true));
}

void add_recipe_options(CLI::App& command, Options& options) {
  command.add_option("--learning-rate-fit", options.learning_rate_fit,
                     "FIT.json of a learning-rate law; without it the published Step Law");
  command.add_option("--batch-fit", options.batch_fit,
                     "FIT.json of a batch-size law; without it the published Step Law");
  model::Family& family = options.family;
  constexpr std::size_t kMostTokens = 1'000'000'000;
  command.add_option("--vocabulary", family.base.vocabulary, "Of the shape")
      ->check(CLI::Range(std::size_t{1}, kMostTokens))
      ->capture_default_str();
  command.add_option("--context", family.base.context, "Of the shape, tokens")
      ->check(CLI::Range(std::size_t{1}, kMostTokens))
      ->capture_default_str();
  command.add_option("--aspect", family.aspect, "Width / layers of the shape")
      ->check(check_aspect)
      ->capture_default_str();
  command
      .add_option("--head-width", family.head_width,
                  "Of the shape; 0: 64 in widths below 2048, 128 from there on")
      ->check(check_even)
      ->capture_default_str();
}

}  // namespace

void add_optimal(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "optimal", "Best model size, tokens and recipe for a budget, a loss or a wall-clock time");
  const auto options = std::make_shared<Options>();
  options->family.base.vocabulary = 50304;
  options->family.base.context = 2048;
  command->add_option("fit", options->fit, "FIT.json written by isoflop fit")->required();
  add_goal_options(*command, *options);
  add_recipe_options(*command, *options);
  command->add_option("--level", options->level, "Level of the intervals")->capture_default_str();
  add_output(*command, "--json", options->json, "Write the result to this file, - for stdout");
  command->footer(
      "Examples:\n"
      "  isoflop optimal fit.json --flops 1e21\n"
      "  isoflop optimal fit.json --flops 1e24 --inference-tokens 5e12\n"
      "  isoflop optimal fit.json --hours 72 --gpus 64 --peak-flops 989e12 --mfu 0.4\n"
      "  isoflop optimal fit.json --flops 1e21 --gpus 8 --memory 80GB\n"
      "docs/reference/planning.md explains every number.");
  command->callback([options] { run(*options); });
}

}  // namespace isoflop::cli
