#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "cli/commands.hpp"
#include "comm/world.hpp"
#include "config/run_config.hpp"
#include "core/error.hpp"
#include "device/runtime.hpp"
#include "train/run.hpp"

namespace isoflop::cli {
namespace {

/// The run stopped on a signal and can go on; code 1 as for anything that is not done.
class Stopped : public Error {
 public:
  Stopped() : Error("stopped on a signal; start the same command again to go on") {}
};

// A rank that fails alone would leave the others waiting: every rank ends. Bad input is seen by all
// and told by the root.
template <class Action>
void on_all_ranks(comm::Communicator& communicator, Action&& action) {
  if (communicator.size() == 1) {
    action();
    return;
  }
  const auto end_all = [&](const char* message, int code, bool told_by_root) {
    if (told_by_root && !communicator.is_root())
      std::this_thread::sleep_for(std::chrono::seconds(2));
    fmt::print(stderr, "isoflop: {}\n", message);
    communicator.abort(code);
  };
  try {
    action();
  } catch (const Stopped&) {
    throw;
  } catch (const InputError& error) {
    end_all(error.what(), 2, true);
  } catch (const CheckFailed& error) {
    end_all(error.what(), 3, true);
  } catch (const std::exception& error) {
    end_all(error.what(), 1, false);
  }
}

void train(const train::RunOptions& options) {
  comm::World world;
  comm::Communicator communicator = world.communicator();
  on_all_ranks(communicator, [&] {
    const auto config = config::read_run_config(options.config.string(), options.sets);
    const device::Runtime runtime(static_cast<int>(config.train.threads));
    if (train::run(options, communicator) == train::RunEnd::stopped) throw Stopped();
  });
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<train::RunOptions>();
  CLI::App* command = app.add_subcommand("train", "Train one run, or go on with it");
  command->add_option("config", options->config, "Run configuration (run.toml)")->required();
  command->add_option("--out", options->out,
                      "Run directory; default runs/<hash of the configuration>");
  command->add_option("--set", options->sets, "Override a key: --set train.seed=2 (repeatable)");
  command->add_option(
      "--from", options->branch_from,
      "Start from this checkpoint of a run with the same trunk (warm-up-stable-decay)");
  command->add_option("--label", options->label, "A name for people, recorded in run.h5");
  command->footer(
      "Alone or under mpirun -n R (data parallel; see parallel.zero). The same command goes on "
      "after any stop, with the same "
      "bits. SIGTERM, SIGINT and SIGUSR1 finish the step, save and exit with 1.");
  command->callback([options] { train(*options); });
}

}  // namespace isoflop::cli
