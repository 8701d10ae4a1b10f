#include "train/memory.hpp"

#include <fstream>
#include <string>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "train/layout.hpp"
#include "train/part.hpp"
#include "train/pipeline.hpp"
#include "train/split_state.hpp"
#include "train/whole_model.hpp"

namespace isoflop::train {
namespace {

// The value of "Key:   123 kB" in a file of /proc, in bytes.
std::size_t proc_bytes(const char* file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string word; stream >> word;) {
    if (word != key) continue;
    std::size_t kib = 0;
    stream >> kib;
    return kib * 1024;
  }
  throw Error(std::string(file) + ": has no " + key);
}

// What putting cut matrices together for a checkpoint takes.
std::size_t whole_rows(const config::RunConfig& config, const model::ParameterTable& table,
                       const Layout& layout) {
  std::vector<OwnedState> held;
  for (const parallel::Extent& layers : layout.layers) {
    const parallel::PartSharding sharding =
        plan_gradients(config, table, layers, layout.mesh.data, layout.at.data).sharding;
    for (const Owned& owned : owned_parts(config, table, sharding, layout.at.data))
      held.push_back({.elements = owned.elements});
  }
  return WholeRows::memory_bytes(table, held);
}

template <class T>
MemoryPlan plan(const config::RunConfig& config, std::size_t ranks, std::size_t rank) {
  const Layout layout = layout_of(config, ranks, rank);
  const model::ParameterTable table(config.model, layout.split);
  MemoryPlan plan;
  for (const parallel::Extent& layers : layout.layers) {
    const PartMemory part =
        ModelPart<T>::memory(config, table, layers, layout.mesh.data, layout.at.data);
    plan.weights += part.weights;
    plan.optimizer += part.optimizer;
    plan.gradients += part.gradients;
  }
  plan.activations = layout.mesh.pipeline > 1 ? Pipeline<T>::memory_bytes(config, layout)
                                              : WholeModel<T>::memory_bytes(config, layout);
  if (config::writes_beside(config.checkpoint))  // of the same elements, master weights always
    plan.checkpoint = plan.optimizer / (keeps_master<T> ? 3 : 2) * 3;
  if (layout.split.ranks > 1) plan.checkpoint += whole_rows(config, table, layout);
  return plan;
}

}  // namespace

MemoryPlan plan_memory(const config::RunConfig& config, std::size_t ranks, std::size_t rank) {
  return config.train.precision == config::Precision::bf16 ? plan<bf16>(config, ranks, rank)
                                                           : plan<float>(config, ranks, rank);
}

std::size_t resident_bytes() { return proc_bytes("/proc/self/status", "VmRSS:"); }
std::size_t peak_resident_bytes() { return proc_bytes("/proc/self/status", "VmHWM:"); }
std::size_t available_bytes() { return proc_bytes("/proc/meminfo", "MemAvailable:"); }

}  // namespace isoflop::train
