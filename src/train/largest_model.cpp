#include "train/largest_model.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "config/run_config.hpp"
#include "core/error.hpp"
#include "model/parameters.hpp"
#include "train/memory.hpp"

namespace isoflop::train {
namespace {

/// A run of one step; every replica has a virtual rank of one sequence.
config::RunConfig smallest_run(const model::ModelConfig& shape, std::size_t devices) {
  config::RunConfig run;
  run.model = shape;
  const auto sequences = static_cast<std::int64_t>(std::bit_ceil(devices));
  run.train.global_batch = sequences;
  run.train.micro_batch = 1;
  run.train.precision = config::Precision::bf16;
  run.parallel.virtual_ranks = sequences;
  run.parallel.zero = devices > 1 ? 3 : 0;
  run.parallel.recompute = model::Recompute::full;
  run.steps = 1;
  return run;
}

std::optional<model::ModelConfig> shape_of(const model::Family& family, double params) {
  try {
    return model::shape_for(family, params);
  } catch (const InputError&) {  // below the smallest shape
    return std::nullopt;
  }
}

LargestModel measure(const model::Family& family, const model::ModelConfig& shape,
                     std::size_t devices) {
  const model::ParameterTable table(shape);
  const std::size_t params = family.count_embeddings ? table.n_total() : table.n_non_embedding();
  constexpr std::size_t kBusiest = 0;  // has the longest shards and as many turns as any
  return {static_cast<double>(params),
          plan_memory(smallest_run(shape, devices), devices, kBusiest).total()};
}

}  // namespace

LargestModel largest_model(const model::Family& family, std::size_t bytes, std::size_t devices) {
  constexpr double kLeastBytes = 8;  // a parameter: both moments
  constexpr double kClose = 1e-4;    // of ln N
  constexpr double kMostParams = 1e15;
  require(devices > 0, "devices: saw 0, needed at least 1");
  double low = 1;
  while (low < kMostParams && !shape_of(family, low)) low *= 2;
  LargestModel best = measure(family, model::shape_for(family, low), devices);
  require(best.bytes <= bytes,
          "memory: saw {:.4g} GB a device, but training the smallest shape of the family ({:.4g} "
          "params) takes {:.4g} GB on each of {}: needed that, or a smaller vocabulary or context",
          1e-9 * static_cast<double>(bytes), best.params, 1e-9 * static_cast<double>(best.bytes),
          devices);
  double high = std::min(
      kMostParams, low + static_cast<double>(bytes) * static_cast<double>(devices) / kLeastBytes);
  while (std::log(high / low) > kClose) {
    const double middle = std::sqrt(low * high);
    const LargestModel one = measure(family, model::shape_for(family, middle), devices);
    (one.bytes <= bytes ? low : high) = middle;
    if (one.bytes <= bytes && one.params > best.params) best = one;
  }
  return best;
}

}  // namespace isoflop::train
