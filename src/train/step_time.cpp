#include "train/step_time.hpp"

#include <algorithm>
#include <vector>

#include "core/bf16.hpp"
#include "core/integers.hpp"
#include "model/cost.hpp"
#include "parallel/pipeline/timeline.hpp"
#include "train/layout.hpp"
#include "train/sharding.hpp"

namespace isoflop::train {
namespace {

double number(std::size_t value) { return static_cast<double>(value); }

std::size_t element_bytes(const config::RunConfig& config) {
  return config.train.precision == config::Precision::bf16 ? sizeof(bf16) : sizeof(float);
}

// Rows of the residual stream that a rank has of a micro-batch, in bytes.
double stream_bytes(const config::RunConfig& config, const Layout& layout) {
  return number(static_cast<std::size_t>(config.train.micro_batch) * config.model.context *
                config.model.width * element_bytes(config)) /
         number(layout.mesh.tensor);
}

// Products of a block with weights cost the same in each of the passes, those inside attention
// twice as much in the pass of input gradients and nothing in that of weight gradients. The head's
// are all in the backward pass (train/pipeline).
parallel::PassTimes compute_of(const config::RunConfig& config, const Layout& layout,
                               const model::Stage& stage, double flops) {
  const double tokens =
      number(static_cast<std::size_t>(config.train.micro_batch) * config.model.context);
  const double scale = tokens / number(layout.mesh.tensor) / flops;
  const std::vector<double> costs = model::layer_costs(config.model);  // FLOP a token
  const double blocks = scale * number(stage.blocks.size());
  const double share = blocks / number(config.model.layers);  // of what all blocks cost
  const double attention = share * model::attention_flops_per_token(config.model) / 3.0;
  const double linear = blocks * costs[1] / 3.0 - attention;
  const double again =
      share * model::recomputed_flops_per_token(config.model, config.parallel.recompute);
  const double head = stage.head ? scale * costs.back() : 0.0;
  return {linear + attention, linear + 2.0 * attention + again + head, linear};
}

// A block has two gathers and two sums in a pass, and gathers twice more for the weight gradients;
// what is computed again is gathered again (docs/parallelism.md).
parallel::PassTimes tensor_of(const config::RunConfig& config, const Layout& layout,
                              const model::Stage& stage, const Speeds& speeds) {
  if (layout.mesh.tensor == 1) return {0.0, 0.0, 0.0};
  const double peers = number(layout.mesh.tensor - 1), bytes = stream_bytes(config, layout);
  const double gather = peers * speeds.gather(bytes), sum = peers * speeds.exchange(bytes);
  const double blocks = number(stage.blocks.size());
  double again = 0.0;
  if (config.parallel.recompute == model::Recompute::attention) again = gather;
  if (config.parallel.recompute == model::Recompute::full) again = 2.0 * gather + sum;
  const double ends = stage.embedding ? sum : 0.0, head = stage.head ? gather : 0.0;
  const double back = (stage.embedding ? gather : 0.0) + (stage.head ? sum : 0.0);
  return {blocks * 2.0 * (gather + sum) + ends + head,
          blocks * (2.0 * (gather + sum) + again) + back, blocks * 2.0 * gather};
}

parallel::PassTimes add(const parallel::PassTimes& a, const parallel::PassTimes& b) {
  return {a.forward + b.forward, a.backward_input + b.backward_input,
          a.backward_weight + b.backward_weight};
}

// Subtrees that a rank sends of each part in a step.
double nodes_sent(const parallel::Dealing& dealing) {
  std::size_t nodes = 0;
  for (std::size_t turn = 0; turn < (dealing.in_rounds ? dealing.turns() : 1); ++turn) {
    std::size_t most = 0;
    for (std::size_t rank = 0; rank < dealing.ranks; ++rank)
      most = std::max(most, dealing.brings(rank, turn).size());
    nodes += most;
  }
  return number(nodes);
}

// The message that the transport's library sends for its part of a sum, to each other replica.
double library_message(const config::RunConfig& config, const Speeds& speeds, std::size_t shard) {
  const double bytes = number(shard * sizeof(float));
  if (config.parallel.zero == 0) return 2.0 * speeds.library_reduce(bytes);
  return speeds.library_scatter(bytes) + speeds.gather(number(shard * element_bytes(config)));
}

// ZeRO 0 gathers the sums, the other stages the weights, stage 3 blocks for every pass.
double replica_seconds(const config::RunConfig& config, const Layout& layout,
                       const Speeds& speeds) {
  const std::size_t replicas = layout.mesh.data;
  if (replicas == 1) return 0.0;
  const model::ParameterTable table(config.model, layout.split);
  const double nodes = nodes_sent(layout.dealing);
  const std::size_t gathered = config.parallel.zero == 0 ? sizeof(float) : element_bytes(config);
  double seconds = 0.0;
  for (const parallel::Extent& layers : layout.layers) {
    const auto plan = plan_gradients(config, table, layers, replicas, layout.at.data);
    for (std::size_t part = 0; part < plan.sharding.parts(); ++part) {
      const std::size_t shard = plan.sharding.shard(part);
      if (plan.adder != parallel::Adder::tree) {
        seconds += library_message(config, speeds, shard);
        continue;
      }
      const bool every_pass = config.parallel.zero == 3 && plan.sharding.is_block(part);
      const double gathers = every_pass ? 2.0 * number(layout.shape.micro_batches) : 1.0;
      const double buckets = number(ceil_div(shard, plan.bucket));
      seconds += nodes * buckets * speeds.exchange(number(shard * sizeof(float)) / buckets) +
                 gathers * speeds.gather(number(shard * gathered));
    }
  }
  return number(replicas - 1) * seconds;
}

// The ranks of the first replica, no other of which has more virtual ranks, stage after stage.
std::vector<Layout> first_replica(const config::RunConfig& config, std::size_t ranks) {
  std::vector<Layout> layouts = {layout_of(config, ranks, 0)};
  const parallel::Mesh mesh = layouts.front().mesh;
  for (std::size_t rank = 1; rank < mesh.pipeline; ++rank)
    layouts.push_back(layout_of(config, ranks, mesh.rank_of({.pipeline = rank})));
  return layouts;
}

}  // namespace

StepTime predict_step(const config::RunConfig& config, std::size_t ranks, const Speeds& speeds) {
  const std::vector<Layout> layouts = first_replica(config, ranks);
  const parallel::PipelineShape& shape = layouts.front().shape;
  const double micro_batches = number(shape.micro_batches);
  parallel::StageTimes times;
  times.stages.resize(shape.stages());
  if (shape.ranks > 1) times.message = speeds.send(stream_bytes(config, layouts.front()));
  StepTime longest;
  for (std::size_t rank = 0; rank < shape.ranks; ++rank) {
    const Layout& layout = layouts[rank];
    StepTime own;
    for (std::size_t chunk = 0; chunk < layout.stages.size(); ++chunk) {
      const auto compute = compute_of(config, layout, layout.stages[chunk], speeds.flops);
      const auto tensor = tensor_of(config, layout, layout.stages[chunk], speeds);
      times.stages[shape.stage(rank, chunk)] = add(compute, tensor);
      own.compute += micro_batches * compute.total();
      own.tensor += micro_batches * tensor.total();
    }
    if (own.total() > longest.total()) longest = own;
  }
  const parallel::Timeline timeline = simulate(make_schedule(shape), times);
  longest.pipeline = std::max(0.0, timeline.makespan() - longest.total());
  longest.bubble = timeline.bubble();
  for (const Layout& layout : layouts)
    longest.replicas = std::max(longest.replicas, replica_seconds(config, layout, speeds));
  return longest;
}

}  // namespace isoflop::train
