#include <CLI/CLI.hpp>
#include <memory>

#include "cli/commands.hpp"
#include "cli/on_all_ranks.hpp"
#include "cli/report.hpp"
#include "comm/world.hpp"
#include "config/run_config.hpp"
#include "core/error.hpp"
#include "device/runtime.hpp"
#include "train/run.hpp"

namespace isoflop::cli {
namespace {

void train(train::RunOptions options, const std::vector<std::string>& sets) {
  comm::World world;
  comm::Communicator communicator = world.communicator();
  train::RunEnd end{};
  on_all_ranks(communicator, [&] {
    options.config = config::read_run_config(options.file.string(), sets);
    const device::Runtime runtime(static_cast<int>(options.config.train.threads));
    end = train::run(options, communicator);
  });
  if (end != train::RunEnd::stopped) return;
  // The root says it for all, and here: a launcher may end it once another rank has left.
  if (communicator.is_root())
    report_error("stopped on a signal; start the same command again to go on");
  throw Stopped("");
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<train::RunOptions>();
  auto sets = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("train", "Train one run, or go on with it");
  command->add_option("config", options->file, "Run configuration (run.toml)")->required();
  command->add_option(
      "--out", options->out,
      "Run directory, new or of this run; default runs/<hash of the configuration>");
  command->add_option("--set", *sets, "Override a key: --set train.seed=2 (repeatable)");
  command->add_option(
      "--from", options->branch_from,
      "Start from this checkpoint of a run with the same trunk (warm-up-stable-decay)");
  command->add_option("--label", options->label, "A name for people, recorded in run.h5");
  command->footer(
      "Alone or under mpirun -n R (replicas and pipelines; see parallel.zero, parallel.pipeline). "
      "The same command goes on after any stop, with the same bits. SIGTERM, SIGINT, SIGUSR1 "
      "and SIGHUP finish the step, save and exit with 75 (mpirun has a code of its own). "
      "guard.on_spike = skip or rollback deals with steps "
      "whose loss or gradient norm is a spike.");
  command->callback([options, sets] { train(*options, *sets); });
}

}  // namespace isoflop::cli
