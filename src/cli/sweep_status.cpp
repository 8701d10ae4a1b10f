#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/sweep.hpp"
#include "experiment/progress.hpp"
#include "experiment/tally.hpp"

namespace isoflop::cli {
namespace {

void status(const SweepOptions& options) {
  const Sweep sweep = open_sweep(options, Purpose::look);
  std::string text = fmt::format("{:<32} {:<6} {:<16} {:<9} {:>15} {:>9}\n", "run", "role", "id",
                                 "state", "step", "loss");
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  experiment::Tally tally;
  for (const experiment::PlannedRun& run : sweep.plan.runs) {
    const auto folder = sweep.directory.run(run.id);
    const experiment::RunState state = experiment::state_of(folder, run.id);
    std::optional<experiment::RunProgress> progress;
    if (!state.is_lost) progress = experiment::read_progress(folder);
    tally.add(run.role, state.state);
    text += fmt::format("{:<32} {:<6} {:<16} {:<9} {:>15} {:>9} {}\n", run.label, name_of(run.role),
                        run.id, name_of(state.state),
                        progress ? fmt::format("{}/{}", progress->step, run.config.steps) : "",
                        progress ? fmt::format("{:.4f}", progress->loss) : "", state.reason);
    runs.push_back({{"run", run.id},
                    {"label", run.label},
                    {"role", name_of(run.role)},
                    {"state", name_of(state.state)},
                    {"reason", state.reason},
                    {"step", progress ? progress->step : 0},
                    {"steps", run.config.steps}});
  }
  text += fmt::format("{} of {} runs finished in {}\n", tally.finished, tally.total,
                      sweep.directory.path().string());
  print_result(text, nlohmann::ordered_json{{"runs", runs}}.dump(2) + "\n", options.json);
}

}  // namespace

void add_sweep_status(CLI::App& sweep_app) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* command = sweep_app.add_subcommand("status", "Show the state of every run");
  add_sweep_options(*command, *options);
  command->footer("loss: of the last training step, nats/token.");
  command->callback([options] { status(*options); });
}

}  // namespace isoflop::cli
