// One function a command: it declares the command's options on `app` and what to do with them.
// Commands report failure by throwing (core/error.hpp); main turns the exception into one line and
// an exit code.
#pragma once

namespace CLI {
class App;
}

namespace isoflop::cli {

// One line a command; main.cpp calls them in this order, which is the order of --help.
void add_data(CLI::App& app);
void add_train(CLI::App& app);
void add_sweep(CLI::App& app);
void add_fit(CLI::App& app);
void add_predict(CLI::App& app);
void add_optimal(CLI::App& app);
void add_suggest(CLI::App& app);
void add_compare(CLI::App& app);
void add_emergence(CLI::App& app);
void add_checkpoint(CLI::App& app);
void add_bench(CLI::App& app);
void add_cluster(CLI::App& app);

// Subcommands of bench.
void add_bench_comm(CLI::App& bench_app);
void add_bench_train(CLI::App& bench_app);

// Subcommands of cluster.
void add_cluster_layouts(CLI::App& cluster_app);
void add_cluster_plan(CLI::App& cluster_app);

}  // namespace isoflop::cli
