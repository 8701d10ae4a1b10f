#include "cli/memory_bound.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/text.hpp"
#include "device/runtime.hpp"
#include "laws/predict/report.hpp"

namespace isoflop::cli {

MemoryBound memory_bound(const model::Family& family, std::uint64_t bytes, double devices) {
  constexpr double kMostDevices = 65536;
  require(devices >= 1 && devices <= kMostDevices && devices == std::floor(devices),
          "gpus: saw {}, needed a whole number from 1 to {:g} for --memory", devices, kMostDevices);
  const device::Runtime runtime(1);  // of which a run's workspace is a part
  const auto count = static_cast<std::size_t>(devices);
  return {bytes, count, train::largest_model(family, bytes, count)};
}

std::string describe(const MemoryBound& bound, const laws::Goal& goal,
                     const laws::Optimum& optimum) {
  const auto gigabytes = [](auto bytes) { return 1e-9 * static_cast<double>(bytes); };
  std::string text = fmt::format(
      "\n{:.4g} GB a device hold the training of up to {} params, {:.4g} GB on each of {} (bf16, "
      "Adam, ZeRO 3, one sequence at a time, activations recomputed)\n",
      gigabytes(bound.bytes), short_count(bound.largest.params), gigabytes(bound.largest.bytes),
      bound.devices);
  if (!optimum.is_at_bound) return text + "compute, not memory, bounds params\n";
  if (!optimum.unbounded)
    return text + "memory, not compute, bounds params: without that this fit has no optimum\n";
  const laws::Unbounded& free = *optimum.unbounded;
  const double inference = goal.demand.inference_tokens;
  const double flops = optimum.total_flops() / (free.flops + 2 * free.params * inference) - 1;
  const double loss = optimum.prediction.value / free.loss - 1;
  return text +
         fmt::format(
             "memory, not compute, bounds params: without that {} params, {} tokens, {:.4g} FLOP, "
             "loss {:.6g}; within it {}\n",
             short_count(free.params), short_count(free.tokens), free.flops, free.loss,
             goal.flops ? fmt::format("the loss is {:.2g}% higher", 100 * loss)
                        : fmt::format("training{} takes {:.2g}% more FLOP",
                                      inference > 0 ? " with inference" : "", 100 * flops));
}

nlohmann::ordered_json json_of(const MemoryBound& bound, const laws::Optimum& optimum) {
  nlohmann::ordered_json json = {{"bytes", bound.bytes},
                                 {"devices", bound.devices},
                                 {"most_params", bound.largest.params},
                                 {"needed_bytes", bound.largest.bytes},
                                 {"bounds_params", optimum.is_at_bound},
                                 {"unbounded", nullptr}};
  if (const auto& free = optimum.unbounded)
    json["unbounded"] = {{"params", free->params},
                         {"tokens", free->tokens},
                         {"flops", free->flops},
                         {"loss", free->loss}};
  return json;
}

}  // namespace isoflop::cli
