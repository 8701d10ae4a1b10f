#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/on_all_ranks.hpp"
#include "comm/bench.hpp"
#include "comm/world.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::size_t largest = std::size_t{16} << 20;
  int repetitions = 20;
  std::string json;
};

// One size gives no line.
bool has_line(const comm::CollectiveBench& bench) { return bench.points.size() > 1; }

nlohmann::json to_json(const std::vector<comm::CollectiveBench>& benches, int ranks) {
  nlohmann::json collectives;
  for (const auto& bench : benches) {
    nlohmann::json points = nlohmann::json::array();
    for (const auto& point : bench.points)
      points.push_back({{"bytes", point.bytes},
                        {"seconds", point.seconds},
                        {"bus_bytes_per_second", point.bus_bytes_per_second}});
    auto& collective = collectives[bench.name] = {
        {"points", points}, {"alpha_seconds", nullptr}, {"beta_seconds_per_byte", nullptr}};
    if (!has_line(bench)) continue;
    collective["alpha_seconds"] = bench.alpha_seconds;
    collective["beta_seconds_per_byte"] = bench.beta_seconds_per_byte;
  }
  return {{"ranks", ranks}, {"collectives", collectives}};
}

std::string table(const std::vector<comm::CollectiveBench>& benches, int ranks) {
  std::string text = fmt::format("{} ranks; median of the slowest rank's times\n", ranks);
  text += fmt::format("{:<25} {:>11} {:>12} {:>10}\n", "call", "bytes", "time us", "bus GB/s");
  for (const auto& bench : benches) {
    for (const auto& point : bench.points)
      text += fmt::format("{:<25} {:>11} {:>12.1f} {:>10.2f}\n", bench.name, point.bytes,
                          1e6 * point.seconds, 1e-9 * point.bus_bytes_per_second);
    if (!has_line(bench)) continue;
    text += fmt::format("{:<25} alpha {:.1f} us, beta {:.4f} ns/byte\n", bench.name,
                        1e6 * bench.alpha_seconds, 1e9 * bench.beta_seconds_per_byte);
  }
  return text;
}

void bench(const Options& options) {
  comm::World world;
  comm::Communicator communicator = world.communicator();
  on_all_ranks(communicator, [&] {
    const auto benches = comm::bench(communicator, options.largest, options.repetitions);
    if (!communicator.is_root()) return;
    const int ranks = communicator.size();
    print_result(table(benches, ranks), to_json(benches, ranks).dump(2) + "\n", options.json);
  });
}

}  // namespace

void add_bench_comm(CLI::App& bench_app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = bench_app.add_subcommand(
      "comm", "Time collectives between ranks (under mpirun) and fit alpha + beta bytes");
  command->add_option("--largest", options->largest, "Largest message, bytes a rank")
      ->check(CLI::Range(std::size_t{4}, std::size_t{1} << 32));
  command->add_option("--repetitions", options->repetitions, "Timed calls of each size")
      ->check(CLI::Range(1, 1'000'000));
  add_output(*command, "--json", options->json,
             "Write the figures as JSON to this file, or to standard output with -");
  command->callback([options] { bench(*options); });
}

}  // namespace isoflop::cli
