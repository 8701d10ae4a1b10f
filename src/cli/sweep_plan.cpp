#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/sweep.hpp"
#include "core/text.hpp"
#include "experiment/costs.hpp"

namespace isoflop::cli {
namespace {

using experiment::Plan;
using experiment::PlannedRun;
using experiment::Role;

struct Totals {
  double flops_6nd = 0, flops_exact = 0, core_seconds = 0, wall_seconds = 0;
  double tokens = 0, tokens_unshared = 0;  // trained, and if no trunk were shared
  std::size_t jobs = 1;
  std::int64_t memory_bytes = 0;
};

// What is trained counts once, wherever it is used.
Totals totals_of(const Plan& plan, std::size_t jobs) {
  Totals totals;
  totals.jobs = jobs;
  totals.memory_bytes = experiment::memory_at_once(plan, std::vector(plan.runs.size(), true), jobs);
  std::vector<double> seconds;
  for (const PlannedRun& run : plan.runs) {
    const double share =
        static_cast<double>(run.own_tokens()) / static_cast<double>(run.config.tokens());
    totals.flops_6nd += share * run.flops_6nd();
    totals.flops_exact += share * run.flops_exact();
    totals.tokens += static_cast<double>(run.own_tokens());
    if (run.role != Role::trunk) totals.tokens_unshared += static_cast<double>(run.config.tokens());
    totals.core_seconds += run.seconds;
    seconds.push_back(run.seconds);
  }
  totals.wall_seconds = experiment::wall_seconds(plan, seconds, jobs);
  return totals;
}

std::string row(const PlannedRun& run) {
  return fmt::format(
      "{:<32} {:<6} {:>7} {:>8} {:>7} {:>10.3e} {:>10.3e} {:>7} {:>6.2f} {:>9} {:>8.1f}\n",
      run.label, name_of(run.role), short_count(static_cast<double>(run.n_total)),
      short_count(static_cast<double>(run.n_non_embedding)),
      short_count(static_cast<double>(run.config.tokens())), run.flops_6nd(), run.flops_exact(),
      run.config.steps - run.first_step, run.epochs(), clock_time(run.seconds),
      static_cast<double>(run.memory_bytes) / 0x1p20);
}

std::string table(const Plan& plan, const Totals& totals) {
  std::string text = fmt::format(
      "{:<32} {:<6} {:>7} {:>8} {:>7} {:>10} {:>10} {:>7} {:>6} {:>9} {:>8}\n", "run", "role", "N",
      "N no emb", "D", "C 6ND", "C exact", "steps", "epochs", "time", "MiB");
  for (const PlannedRun& run : plan.runs) text += row(run);
  text += "\nsteps and time are the run's own: a branch takes the rest over from its trunk.\n";
  for (const std::string& note : plan.notes) text += note + "\n";
  const auto trunks =
      static_cast<std::size_t>(std::ranges::count(plan.runs, Role::trunk, &PlannedRun::role));
  text += fmt::format(
      "\n{} runs{}, {} tokens to train ({} if no trunk were shared)\n"
      "compute {:.3e} FLOP (6ND), {:.3e} FLOP (exact, causal attention halved)\n"
      "time {} on one core, {} with {} processes; memory at once {:.1f} MiB\n",
      plan.runs.size() - trunks,
      trunks == 0 ? "" : fmt::format(" and {} trunk{}", trunks, trunks == 1 ? "" : "s"),
      short_count(totals.tokens), short_count(totals.tokens_unshared), totals.flops_6nd,
      totals.flops_exact, clock_time(totals.core_seconds), clock_time(totals.wall_seconds),
      totals.jobs, static_cast<double>(totals.memory_bytes) / 0x1p20);
  return text;
}

nlohmann::ordered_json to_json(const PlannedRun& run, const Plan& plan) {
  nlohmann::ordered_json json{{"run", run.id},
                              {"label", run.label},
                              {"role", name_of(run.role)},
                              {"n_total", run.n_total},
                              {"n_non_embedding", run.n_non_embedding},
                              {"tokens", run.config.tokens()},
                              {"steps", run.config.steps},
                              {"first_step", run.first_step},
                              {"flops_6nd", run.flops_6nd()},
                              {"flops_exact", run.flops_exact()},
                              {"budget", run.budget},
                              {"d_unique", run.d_unique},
                              {"epochs", run.epochs()},
                              {"seconds", run.seconds},
                              {"memory_bytes", run.memory_bytes}};
  json["trunk"] = run.trunk ? nlohmann::ordered_json(plan.runs[*run.trunk].id) : nullptr;
  return json;
}

std::string json_text(const Plan& plan, const Totals& totals) {
  nlohmann::ordered_json json{{"study", plan.study},
                              {"runs", nlohmann::ordered_json::array()},
                              {"notes", plan.notes},
                              {"tokens", totals.tokens},
                              {"flops_6nd", totals.flops_6nd},
                              {"flops_exact", totals.flops_exact},
                              {"core_seconds", totals.core_seconds},
                              {"jobs", totals.jobs},
                              {"wall_seconds", totals.wall_seconds},
                              {"memory_bytes", totals.memory_bytes}};
  for (const PlannedRun& run : plan.runs) json["runs"].push_back(to_json(run, plan));
  return json.dump(2) + "\n";
}

}  // namespace

void add_sweep_plan(CLI::App& sweep_app) {
  struct Options : SweepOptions {
    std::size_t jobs = 0;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = sweep_app.add_subcommand(
      "plan", "Print every run with its size, cost, time and memory; refuse what cannot work");
  add_sweep_options(*command, *options);
  command->add_option("--jobs", options->jobs, "Processes at once; default one for each core")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}));
  command->callback([options] {
    Sweep sweep = open_sweep(*options, Purpose::train);
    const std::size_t jobs = jobs_or_cores(options->jobs, sweep.plan);
    require_memory(sweep, jobs);
    predict_seconds(sweep);
    const Totals totals = totals_of(sweep.plan, jobs);
    print_result(table(sweep.plan, totals), json_text(sweep.plan, totals), options->json);
  });
}

}  // namespace isoflop::cli
