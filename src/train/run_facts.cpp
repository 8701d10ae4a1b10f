#include "train/run_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/processor.hpp"
#include "model/cost.hpp"
#include "parallel/pipeline/timeline.hpp"
#include "train/layout.hpp"
#include "train/memory.hpp"
#include "train/progress.hpp"
#include "train/step_time.hpp"

namespace isoflop::train {

namespace {

// Tells machines apart; containers of one machine share its memory, and this.
std::uint64_t machine() {
  std::ifstream stream("/proc/sys/kernel/random/boot_id");
  std::string id;
  stream >> id;
  return hash64(id);
}

// What the rank that needs most needs it for.
std::string memory_line(const config::RunConfig& config, int ranks, const LargestRank& needs) {
  const MemoryPlan memory =
      plan_memory(config, static_cast<std::size_t>(ranks), static_cast<std::size_t>(needs.rank));
  return fmt::format(
      "memory a rank, predicted: {}{} = program {} + weights {} + optimizer {} + gradients {} + "
      "activations {}{}{}",
      ranks > 1 ? "at most " : "", needs.text(ranks), mebibytes(needs.bytes - memory.total()),
      mebibytes(memory.weights), mebibytes(memory.optimizer), mebibytes(memory.gradients),
      mebibytes(memory.activations),
      memory.checkpoint > 0 ? " + copy for checkpoints " + mebibytes(memory.checkpoint) : "",
      copies_text(config, ranks, needs));
}

// Ranks, and what of the configuration may differ from attempt to attempt of one run or decides the
// order of additions; in braces an inline table of TOML.
std::string layout_text(const config::RunConfig& config, int ranks) {
  const config::ParallelConfig& parallel = config.parallel;
  const Layout layout = layout_of(config, static_cast<std::size_t>(ranks), 0);
  return fmt::format(
      "on {} rank(s), {{ data = {}, tensor = {}, pipeline = {}, schedule = \"{}\", chunks = {}, "
      "zero = {}, recompute = \"{}\", virtual_ranks = {}, reproducible = {}, threads = {} }}",
      ranks, layout.mesh.data, parallel.tensor, parallel.pipeline,
      parallel::name_of(parallel.schedule), parallel.chunks, parallel.zero,
      config::name_of(parallel.recompute), parallel.virtual_ranks, config.train.reproducible,
      config.train.threads);
}

}  // namespace

std::string LargestRank::text(int ranks) const {
  return mebibytes(bytes) + (ranks > 1 ? fmt::format(" on rank {}", rank) : "");
}

std::string copies_text(const config::RunConfig& config, int ranks, const LargestRank& needs) {
  const std::size_t copies =
      plan_memory(config, static_cast<std::size_t>(ranks), static_cast<std::size_t>(needs.rank))
          .copies;
  return copies == 0 ? ""
                     : fmt::format(", and up to {} that MPI's reductions copy", mebibytes(copies));
}

LargestRank largest_of(std::size_t bytes, comm::Communicator& world) {
  std::vector<std::size_t> all(static_cast<std::size_t>(world.size()));
  world.all_gather<std::size_t>({&bytes, 1}, all);
  const auto largest = std::ranges::max_element(all);
  return {*largest, static_cast<int>(largest - all.begin())};
}

NodeShare sum_on_node(std::size_t bytes, comm::Communicator& world) {
  const std::array<std::uint64_t, 2> mine{machine(), bytes};
  std::vector<std::uint64_t> all(mine.size() * static_cast<std::size_t>(world.size()));
  world.all_gather<std::uint64_t>(mine, all);
  NodeShare share;
  for (std::size_t i = 0; i < all.size(); i += mine.size()) {
    if (all[i] != mine[0]) continue;
    share.bytes += all[i + 1];
    ++share.ranks;
  }
  return share;
}

std::vector<std::string> describe_run(const config::RunConfig& config,
                                      const data::TokenSource& source, int ranks,
                                      const LargestRank& needs) {
  std::vector<std::string> lines;
  const model::ParameterTable table(config.model);
  const double tokens = static_cast<double>(config.tokens());
  lines.push_back(
      fmt::format("N {} parameters ({} without embeddings), D {} tokens in {} steps of {}",
                  engineering(static_cast<double>(table.n_total())),
                  engineering(static_cast<double>(table.n_non_embedding())), engineering(tokens),
                  config.steps, engineering(static_cast<double>(config.tokens_per_step()))));
  lines.push_back(fmt::format(
      "C {:.3e} FLOP (6ND), {:.3e} (exact, causal attention halved); {} rank(s), {} virtual, ZeRO "
      "{}, {}",
      model::flops_per_token_6nd(config.model) * tokens,
      model::flops_per_token_exact(config.model) * tokens, ranks, config.parallel.virtual_ranks,
      config.parallel.zero, config::name_of(config.train.precision)));
  const Layout layout = layout_of(config, static_cast<std::size_t>(ranks), 0);
  const parallel::Mesh& mesh = layout.mesh;
  if (ranks > 1)
    lines.push_back(fmt::format(
        "mesh {} replica(s) x {} pipeline x {} tensor-parallel rank(s), {} micro-batches a step",
        mesh.data, mesh.pipeline, mesh.tensor, layout.shape.micro_batches));
  if (mesh.tensor > 1)
    lines.push_back(fmt::format(
        "each tensor-parallel rank has {} of {} heads: results are equal to those of one rank up "
        "to rounding",
        config.model.heads / mesh.tensor, config.model.heads));
  if (mesh.pipeline > 1)
    lines.push_back(fmt::format(
        "pipeline {}, {} stage(s) a rank: bubble {:.1f}% predicted, {:.1f}% if stages were equal",
        name_of(layout.shape.kind), layout.shape.chunks,
        100.0 * predict_step(config, static_cast<std::size_t>(ranks), kOnlyCompute).bubble,
        100.0 * parallel::bubble_of_equal_stages(layout.shape)));
  lines.push_back(memory_line(config, ranks, needs));
  if (const auto entropy = source.entropy())
    lines.push_back(fmt::format(
        "entropy of the data: {:.6f} nats/token, below which no model comes", *entropy));
  if (const std::string unread = config::unread_setting(config); !unread.empty())
    lines.push_back("note: " + unread);
  const double epochs = source.epochs(config.tokens());
  if (epochs > 1.0 + 1e-9)
    lines.push_back(fmt::format(
        "note: the data is seen {:.2f} times; a law for fresh data does not hold for this run",
        epochs));
  return lines;
}

record::RunFacts facts_of(const config::RunConfig& config, const data::TokenSource& source,
                          int ranks) {
  const model::ParameterTable table(config.model);
  const auto tokens = static_cast<double>(config.tokens());
  record::RunFacts facts;
  facts.run = config::run_id(config);
  facts.config = config::to_toml(config);
  facts.data_fingerprint = config.data_fingerprint;
  facts.n_total = static_cast<std::int64_t>(table.n_total());
  facts.n_non_embedding = static_cast<std::int64_t>(table.n_non_embedding());
  facts.steps = config.steps;
  facts.tokens = config.tokens();
  facts.d_unique = source.unique_tokens(config.tokens());
  facts.epochs = source.epochs(config.tokens());
  facts.global_batch = config.train.global_batch;
  facts.micro_batch = config.train.micro_batch;
  facts.context = static_cast<std::int64_t>(config.model.context);
  facts.vocabulary = static_cast<std::int64_t>(config.model.vocabulary);
  facts.flops_6nd = model::flops_per_token_6nd(config.model) * tokens;
  facts.flops_per_token_exact = model::flops_per_token_exact(config.model);
  facts.flops_exact = facts.flops_per_token_exact * tokens;
  facts.virtual_ranks = config.parallel.virtual_ranks;
  facts.ranks = ranks;
  facts.layout = layout_text(config, ranks);
  facts.zero = config.parallel.zero;
  facts.threads = config.train.threads;
  facts.device = config.train.device;
  facts.processor = processor_name();
  facts.precision = config::name_of(config.train.precision);
  facts.seed = config.train.seed;
  return facts;
}

void check_memory(const config::RunConfig& config, const std::string& file,
                  comm::Communicator& world) {
  const std::size_t own = process_bytes(config, static_cast<std::size_t>(world.size()),
                                        static_cast<std::size_t>(world.rank()));
  const NodeShare node = sum_on_node(own, world);
  const std::size_t available = available_bytes();
  require(node.bytes < available,
          "{}: the run needs {} a rank, {} for the {} rank(s) of this machine, which has {} left; "
          "lower train.micro_batch or the model's size, or start fewer ranks a machine",
          file, mebibytes(own), mebibytes(node.bytes), node.ranks, mebibytes(available));
}

}  // namespace isoflop::train
