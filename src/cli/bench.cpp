#include <CLI/CLI.hpp>

#include "cli/commands.hpp"

namespace isoflop::cli {

void add_bench(CLI::App& app) {
  CLI::App* bench = app.add_subcommand("bench", "Measure this machine and this build");
  bench->require_subcommand(1);
  bench->footer(
      "Single kernels are timed by programs of their own beside this one: matmul_bench, "
      "attention_bench and pointwise_bench (docs/benchmarks.md).");
  add_bench_comm(*bench);
  add_bench_train(*bench);
}

}  // namespace isoflop::cli
