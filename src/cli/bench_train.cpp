#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/on_all_ranks.hpp"
#include "comm/world.hpp"
#include "config/run_config.hpp"
#include "device/runtime.hpp"
#include "train/bench.hpp"
#include "train/progress.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::string config;
  std::vector<std::string> sets;
  std::int64_t steps = 10;
  std::string json;
};

nlohmann::json to_json(const train::BenchResult& result, int ranks) {
  nlohmann::json shares;
  for (const auto& region : result.shares) shares[region.region] = region.share;
  return {{"ranks", ranks},
          {"tokens_per_second", result.tokens_per_second},
          {"step_seconds", result.step_seconds},
          {"first_step_seconds", result.first_step_seconds},
          {"peak_rss_bytes", result.peak_rss_bytes},
          {"gflops", result.gflops},
          {"computed_gflops", result.computed_gflops},
          {"share_of_peak", result.share_of_peak},
          {"bubble", result.bubble},
          {"bubble_played", result.bubble_played},
          {"bubble_formula", result.bubble_formula},
          {"bubble_equal_stages", result.bubble_equal},
          {"shares", shares}};
}

std::string table(const train::BenchResult& result) {
  std::string text =
      fmt::format("{:.0f} tokens/s, median step {:.1f} ms, first step done after {:.2f} s\n",
                  result.tokens_per_second, 1e3 * result.step_seconds, result.first_step_seconds);
  text += fmt::format(
      "{:.1f} GFLOP/s (exact, causal attention halved), {:.1f}% of the measured peak; peak memory "
      "{} a rank\n",
      result.gflops, 100.0 * result.share_of_peak, train::mebibytes(result.peak_rss_bytes));
  if (result.bubble_formula > 0.0)
    text += fmt::format(
        "pipeline bubble {:.1f}% of the step, {:.1f}% by the processor time of the passes, {:.1f}% "
        "by their FLOP, {:.1f}% if stages were equal\n",
        100.0 * result.bubble, 100.0 * result.bubble_played, 100.0 * result.bubble_formula,
        100.0 * result.bubble_equal);
  text += fmt::format("\n{:<12} {:>7} {:>9}\n", "region", "share", "GFLOP/s");
  for (const auto& region : result.shares) {
    text += fmt::format("{:<12} {:>6.1f}% {:>9}\n", region.region, 100.0 * region.share,
                        region.gflops > 0.0 ? fmt::format("{:.1f}", region.gflops) : "");
  }
  return text;
}

void bench(const Options& options) {
  comm::World world;
  comm::Communicator communicator = world.communicator();
  on_all_ranks(communicator, [&] {
    const auto config = config::read_run_config(options.config, options.sets);
    const device::Runtime runtime(static_cast<int>(config.train.threads));
    const train::BenchResult result = train::bench(config, options.steps, communicator);
    if (!communicator.is_root()) return;
    print_result(table(result), to_json(result, communicator.size()).dump(2) + "\n", options.json);
  });
}

}  // namespace

void add_bench_train(CLI::App& bench_app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = bench_app.add_subcommand(
      "train", "Time training steps of a configuration and show where the time goes");
  command->add_option("config", options->config, "Run configuration (run.toml)")->required();
  command->add_option("--set", options->sets, "Override a key: --set model.width=128 (repeatable)");
  command->add_option("--steps", options->steps, "Steps to time, after two warm-up steps")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}));
  add_output(*command, "--json", options->json,
             "Write the figures as JSON to this file, or to standard output with -");
  command->callback([options] { bench(*options); });
}

}  // namespace isoflop::cli
