#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

#include "cli/bench_file.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "config/run_config.hpp"
#include "core/error.hpp"
#include "device/runtime.hpp"
#include "train/memory.hpp"
#include "train/progress.hpp"
#include "train/ranks.hpp"
#include "train/source.hpp"
#include "train/step_time.hpp"

namespace isoflop::cli {
namespace {

constexpr std::int64_t kMostRanks = 1024;

struct Options {
  std::string config;
  std::vector<std::string> sets;
  std::int64_t ranks = 0;
  std::string bench;
  std::string comm;
  std::string json;
};

struct Row {
  config::ParallelConfig parallel;
  std::int64_t data;
  train::StepTime step;
  std::size_t memory_bytes;  // of the rank that needs most; MPI's own comes on top
};

// bench comm times collectives of n ranks by the bytes of all blocks; each rank sends n - 1 of the
// n, in an all-reduce twice. Older files have no reductions of the library; who asks for fixed
// orders of additions does not need them.
train::Speeds read_speeds(const Options& options, bool reproducible) {
  const BenchFile bench = open_bench_train(options.bench), comm = open_bench_comm(options.comm);
  const double benched = bench.number("/ranks"), ranks = comm.number("/ranks");
  bench.require_that(benched == 1.0,
                     fmt::format("seen figures of {} ranks, needed those of one", benched));
  const double gflops = bench.number("/computed_gflops");
  bench.require_that(gflops > 0.0, "seen 0 at /computed_gflops, needed a rate above 0");
  comm.require_that(ranks >= 2.0,
                    fmt::format("seen figures of {} rank(s), needed 2 or more", ranks));
  const auto of_message = [&](const train::Line& whole) {
    return train::Line{whole.alpha / (ranks - 1.0), whole.beta * ranks / (ranks - 1.0)};
  };
  train::Speeds speeds{.flops = 1e9 * gflops,
                       .send = line_of(comm, "send"),
                       .exchange = of_message(line_of(comm, "all_to_all")),
                       .gather = of_message(line_of(comm, "all_gather"))};
  if (reproducible) return speeds;
  const train::Line twice = of_message(line_of(comm, "unordered_all_reduce"));
  speeds.library_reduce = {twice.alpha / 2.0, twice.beta / 2.0};
  speeds.library_scatter = of_message(line_of(comm, "unordered_reduce_scatter"));
  return speeds;
}

// The table tries all values of these itself.
void refuse_layout_keys(const Options& options) {
  for (const std::string& set : options.sets) {
    const std::string key = set.substr(0, set.find('='));
    for (const char* own :
         {"parallel", "parallel.data", "parallel.tensor", "parallel.pipeline", "parallel.zero"})
      require(
          key != own,
          "--set {}: every value of parallel.data, tensor, pipeline and zero is compared; leave it "
          "out, or write it in {} if parallel.schedule needs it",
          set, options.config);
  }
}

// The configuration with this layout, read anew with all its checks; nothing if it cannot be. What
// has nothing to do with layouts is right already.
std::optional<config::RunConfig> with_layout(const Options& options,
                                             const data::TokenSource& source, std::int64_t tensor,
                                             std::int64_t pipeline, std::int64_t zero) {
  std::vector<std::string> sets = options.sets;
  sets.push_back("parallel.data=0");
  sets.push_back(fmt::format("parallel.tensor={}", tensor));
  sets.push_back(fmt::format("parallel.pipeline={}", pipeline));
  sets.push_back(fmt::format("parallel.zero={}", zero));
  try {
    auto config = config::read_run_config(options.config, sets);
    config::resolve(config, static_cast<std::size_t>(source.vocabulary()), source.fingerprint());
    train::check_ranks(config, options.ranks);
    return config;
  } catch (const InputError&) {
    return std::nullopt;
  }
}

// Fastest first.
std::vector<Row> layouts(const Options& options, const train::Speeds& speeds) {
  refuse_layout_keys(options);
  auto asked = config::read_run_config(options.config, options.sets);
  const device::Runtime runtime(static_cast<int>(asked.train.threads));  // workspace is for threads
  const auto source = train::open_source(asked);
  config::resolve(asked, static_cast<std::size_t>(source->vocabulary()), source->fingerprint());
  const auto ranks = static_cast<std::size_t>(options.ranks);
  std::vector<Row> rows;
  for (std::int64_t tensor = 1; tensor <= options.ranks; ++tensor) {
    for (std::int64_t pipeline = 1; tensor * pipeline <= options.ranks; ++pipeline) {
      if (options.ranks % (tensor * pipeline) != 0) continue;
      const std::int64_t data = options.ranks / (tensor * pipeline);
      for (std::int64_t zero = 0; zero <= (data > 1 ? 3 : 0); ++zero) {
        const auto config = with_layout(options, *source, tensor, pipeline, zero);
        if (!config) continue;
        rows.push_back({config->parallel, data, train::predict_step(*config, ranks, speeds),
                        train::most_process_bytes(*config, ranks)});
      }
    }
  }
  std::ranges::sort(rows, {}, [](const Row& row) {
    return std::tuple(row.step.total(), row.parallel.tensor, row.parallel.pipeline,
                      row.parallel.zero);
  });
  return rows;
}

nlohmann::json to_json(const std::vector<Row>& rows, std::int64_t ranks) {
  nlohmann::json list = nlohmann::json::array();
  for (const Row& row : rows)
    list.push_back({{"data", row.data},
                    {"tensor", row.parallel.tensor},
                    {"pipeline", row.parallel.pipeline},
                    {"zero", row.parallel.zero},
                    {"step_seconds", row.step.total()},
                    {"compute_seconds", row.step.compute},
                    {"tensor_seconds", row.step.tensor},
                    {"pipeline_seconds", row.step.pipeline},
                    {"replicas_seconds", row.step.replicas},
                    {"memory_bytes", row.memory_bytes}});
  return {{"ranks", ranks}, {"layouts", list}};
}

std::string table(const std::vector<Row>& rows, std::int64_t ranks) {
  std::string text = fmt::format(
      "{} layouts of {} rank(s), fastest first; ms a step, predicted\n\n"
      "data tensor pipeline zero      step   compute    tensor  pipeline  replicas  memory a "
      "rank\n",
      rows.size(), ranks);
  for (const Row& row : rows)
    text += fmt::format(
        "{:>4} {:>6} {:>8} {:>4} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f}  {}\n", row.data,
        row.parallel.tensor, row.parallel.pipeline, row.parallel.zero, 1e3 * row.step.total(),
        1e3 * row.step.compute, 1e3 * row.step.tensor, 1e3 * row.step.pipeline,
        1e3 * row.step.replicas, train::mebibytes(row.memory_bytes));
  return text;
}

void compare_layouts(const Options& options) {
  const bool reproducible =
      config::read_run_config(options.config, options.sets).train.reproducible;
  const train::Speeds speeds = read_speeds(options, reproducible);
  const std::vector<Row> rows = layouts(options, speeds);
  require(!rows.empty(),
          "{}: no layout of {} ranks can train it; ask for fewer, or for more "
          "parallel.virtual_ranks",
          options.config, options.ranks);
  print_result(table(rows, options.ranks), to_json(rows, options.ranks).dump(2) + "\n",
               options.json);
}

}  // namespace

void add_cluster_layouts(CLI::App& cluster_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = cluster_app.add_subcommand(
      "layouts",
      "Compare the layouts (replicas, tensor, pipeline, ZeRO) in which ranks could train a run; "
      "memory without the MPI library's own");
  command->add_option("config", options->config, "Run configuration (run.toml)")->required();
  command->add_option("--set", options->sets,
                      "Override a key other than parallel.data, tensor, pipeline and zero, which "
                      "are compared: --set parallel.recompute=full (repeatable)");
  command->add_option("--ranks", options->ranks, "Ranks that would be started")
      ->required()
      ->check(CLI::Range(std::int64_t{1}, kMostRanks));
  command
      ->add_option(
          "--bench", options->bench,
          "What one rank does: file of `isoflop bench train RUN.toml --json`, without mpirun")
      ->required();
  command
      ->add_option("--comm", options->comm,
                   "What messages take: file of `mpirun -n R isoflop bench comm --json`")
      ->required();
  add_output(*command, "--json", options->json,
             "Write the figures as JSON to this file, or to standard output with -");
  command->callback([options] { compare_layouts(*options); });
}

}  // namespace isoflop::cli
