#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/bench_file.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "core/error.hpp"
#include "parallel/pipeline/picture.hpp"
#include "parallel/pipeline/timeline.hpp"

namespace isoflop::cli {
namespace {

constexpr std::size_t kMostRanks = 1024;
constexpr std::size_t kMostMicroBatches = 4096;
constexpr std::size_t kMostChunks = 26;       // the picture's letters
constexpr double kWidestTerminal = 240;       // columns
constexpr double kLongestTime = 1e100;        // sums of them stay finite
constexpr std::size_t kMostPasses = 1 << 20;  // forward, of all ranks: a second's work
constexpr std::size_t kMostMessageBytes = std::size_t{1} << 40;

struct Options {
  parallel::PipelineShape shape{.ranks = 4, .micro_batches = 8};
  std::string schedule = name_of(parallel::PipelineShape{}.kind);
  std::optional<std::size_t> chunks;
  parallel::PassTimes times;
  double message = 0.0;
  std::string comm;               // what `bench comm` measured; empty: `message` counts
  std::size_t message_bytes = 0;  // then
  std::string draw;
  std::string json;
};

parallel::ScheduleKind kind_named(const std::string& name) {
  const auto& names = parallel::kScheduleNames;
  return static_cast<parallel::ScheduleKind>(std::ranges::find(names, name) - names.begin());
}

std::vector<std::size_t> in_flight(const parallel::PipelineShape& shape) {
  std::vector<std::size_t> counts;
  for (std::size_t rank = 0; rank < shape.ranks; ++rank)
    counts.push_back(most_in_flight(shape, rank));
  return counts;
}

nlohmann::json formula_json(const std::optional<double>& formula) {
  return formula ? nlohmann::json(*formula) : nlohmann::json(nullptr);
}

nlohmann::json to_json(const parallel::PipelineShape& shape, const Options& options,
                       const parallel::Timeline& timeline) {
  return {{"schedule", name_of(shape.kind)},
          {"pipeline", shape.ranks},
          {"micro_batches", shape.micro_batches},
          {"chunks", shape.chunks},
          {"message", options.message},
          {"makespan", timeline.makespan()},
          {"bubble", timeline.bubble()},
          {"bubble_formula", formula_json(bubble_formula(shape, options.times))},
          {"activations_in_flight", in_flight(shape)}};
}

std::string table(const parallel::PipelineShape& shape, const Options& options,
                  const parallel::Timeline& timeline) {
  std::string text =
      fmt::format("{}: {} ranks x {} stage(s), {} micro-batches\n", name_of(shape.kind),
                  shape.ranks, shape.chunks, shape.micro_batches);
  const std::optional<double> formula = bubble_formula(shape, options.times);
  text += fmt::format("bubble {:.1f}% ({}); one step takes {:g}\n", 100.0 * timeline.bubble(),
                      formula ? fmt::format("formula, without messages: {:.1f}%", 100.0 * *formula)
                              : "the formula does not hold here",
                      timeline.makespan());
  if (!options.comm.empty())
    text += fmt::format("a message of {} bytes takes {:.3g} s, by {}\n", options.message_bytes,
                        options.message, options.comm);
  text += fmt::format("activations in flight a rank, in micro-batches of one stage: {}\n\n",
                      fmt::join(in_flight(shape), " "));
  if (text_width(shape, timeline) <= kWidestTerminal) return text + draw_text(shape, timeline);
  return text + "(too wide for a terminal: see --draw FILE.svg)\n";
}

void plan(Options options) {
  parallel::PipelineShape shape = options.shape;
  shape.kind = kind_named(options.schedule);
  shape.chunks = options.chunks.value_or(parallel::default_chunks(shape.kind));
  const std::string trouble = problem(shape);
  require(trouble.empty(), "cluster plan: {}", trouble);
  require(shape.ranks * shape.passes() <= kMostPasses,
          "cluster plan: saw {} ranks with {} passes each, needed at most {} passes in all: ask "
          "for fewer micro-batches",
          shape.ranks, shape.passes(), kMostPasses);
  if (!options.comm.empty())
    options.message =
        line_of(open_bench_comm(options.comm), "send")(static_cast<double>(options.message_bytes));
  const parallel::Timeline timeline =
      simulate(make_schedule(shape), equal_stages(shape, options.times, options.message));
  if (!options.draw.empty()) write_output(options.draw, draw_svg(shape, timeline));
  print_result(table(shape, options, timeline), to_json(shape, options, timeline).dump(2) + "\n",
               options.json);
}

void add_shape(CLI::App& command, Options& options) {
  auto& shape = options.shape;
  command.add_option("--pipeline", shape.ranks, "Ranks of the pipeline")
      ->check(CLI::Range(std::size_t{1}, kMostRanks))
      ->capture_default_str();
  command.add_option("--micro-batches", shape.micro_batches, "Micro-batches a step")
      ->check(CLI::Range(std::size_t{1}, kMostMicroBatches))
      ->capture_default_str();
  command.add_option("--schedule", options.schedule, "Order of the passes")
      ->check(CLI::IsMember(std::vector<std::string>(parallel::kScheduleNames.begin(),
                                                     parallel::kScheduleNames.end())))
      ->capture_default_str();
  command
      .add_option(
          "--chunks", options.chunks,
          fmt::format("Stages a rank, for the interleaved schedule; default {} there, else 1",
                      parallel::default_chunks(parallel::ScheduleKind::interleaved)))
      ->check(CLI::Range(std::size_t{1}, kMostChunks));
}

void add_time(CLI::App& command, const char* name, double& value, const char* help, bool positive) {
  const auto check = [positive](const std::string& seen) -> std::string {
    double time = 0;
    const bool good = CLI::detail::lexical_cast(seen, time) && time <= kLongestTime &&
                      (positive ? time > 0 : time >= 0);
    return good ? ""
                : fmt::format("saw '{}', needed a number {} and up to {:g}", seen,
                              positive ? "above 0" : "from 0", kLongestTime);
  };
  command.add_option(name, value, help)->check(check)->capture_default_str();
}

/// Times of passes and messages, as given or as measured.
void add_times(CLI::App& command, Options& options) {
  add_time(command, "--forward", options.times.forward,
           "Time of the forward pass of one micro-batch on a rank, any unit", true);
  add_time(command, "--backward-input", options.times.backward_input,
           "Time of its backward pass, gradients of the inputs", true);
  add_time(command, "--backward-weight", options.times.backward_weight,
           "Time of its backward pass, gradients of the weights", true);
  add_time(command, "--message", options.message, "Time of a message from rank to rank", false);
  CLI::Option* bytes =
      command
          .add_option("--message-bytes", options.message_bytes,
                      "Bytes of a message: tokens of a micro-batch x width x 2 (bf16) or 4 (fp32)")
          ->check(CLI::Range(std::size_t{1}, kMostMessageBytes));
  command
      .add_option("--comm", options.comm,
                  "Time messages by this file of `isoflop bench comm --json`; the times of passes "
                  "are then in seconds")
      ->needs(bytes)
      ->excludes("--message");
  bytes->needs("--comm");
}

}  // namespace

void add_cluster_plan(CLI::App& cluster_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = cluster_app.add_subcommand(
      "plan", "Show a pipeline schedule: its bubble, its activations in flight, its picture");
  add_shape(*command, *options);
  add_times(*command, *options);
  add_output(*command, "--draw", options->draw, "Draw the schedule in this SVG file", '<')
      ->check([](const std::string& seen) {
        return seen.ends_with(".svg")
                   ? std::string()
                   : fmt::format("saw '{}', needed a name that ends in .svg: it is an SVG", seen);
      });
  add_output(*command, "--json", options->json,
             "Write the figures as JSON to this file, or to standard output with -");
  command->callback([options] { plan(*options); });
}

}  // namespace isoflop::cli
