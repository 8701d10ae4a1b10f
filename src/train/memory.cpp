#include "train/memory.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

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

// What the file begins with; nothing for another text ("max") or no file.
std::optional<std::size_t> first_number(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::size_t number = 0;
  return stream >> number ? std::optional(number) : std::nullopt;
}

// Of the pages that files have in memory.
std::size_t reclaimable_bytes(const std::filesystem::path& group) {
  std::ifstream stream(group / "memory.stat");
  std::size_t bytes = 0;
  for (std::string key; stream >> key >> bytes;) {
    if (key == "inactive_file") return bytes;
  }
  return 0;
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
    plan.copies += part.copies;
  }
  plan.gradients +=
      OrderedSum::memory_bytes(held_square_sums(config, layout, table), layout.mesh.pipeline);
  plan.activations = layout.mesh.pipeline > 1 ? Pipeline<T>::memory_bytes(config, layout)
                                              : WholeModel<T>::memory_bytes(config, layout);
  if (config::writes_beside(config.checkpoint))  // of the same elements, master weights always
    plan.checkpoint = plan.optimizer / (keeps_master<T> ? 3 : 2) * 3;
  if (layout.split.ranks > 1) plan.checkpoint += whole_rows(config, table, layout);
  return plan;
}

// Beside a plan.
std::size_t program_bytes(std::size_t rank) {
  // Code, tables and buffers that are touched only in training; measured on 1 to 8 ranks, the same
  // for all sizes of models and stages of ZeRO (1.2 to 2.0 MiB, on rank 0 7.1 to 7.8).
  constexpr std::size_t kTouchedLater = std::size_t{3} << 19, kByRecord = std::size_t{6} << 20;
  static const std::size_t before = resident_bytes();
  return before + kTouchedLater + (rank == 0 ? kByRecord : 0);
}

}  // namespace

MemoryPlan plan_memory(const config::RunConfig& config, std::size_t ranks, std::size_t rank) {
  return config.train.precision == config::Precision::bf16 ? plan<bf16>(config, ranks, rank)
                                                           : plan<float>(config, ranks, rank);
}

std::size_t process_bytes(const config::RunConfig& config, std::size_t ranks, std::size_t rank) {
  return program_bytes(rank) + plan_memory(config, ranks, rank).total();
}

std::size_t most_process_bytes(const config::RunConfig& config, std::size_t ranks) {
  const Layout layout = layout_of(config, ranks, 0);
  std::size_t most = 0;
  for (std::size_t stage = 0; stage < layout.mesh.pipeline; ++stage)
    for (const std::size_t replica : layout.dealing.unlike_ranks())
      most = std::max(
          most,
          process_bytes(config, ranks, layout.mesh.rank_of({.data = replica, .pipeline = stage})));
  return most;
}

std::size_t resident_bytes() { return proc_bytes("/proc/self/status", "VmRSS:"); }
std::size_t peak_resident_bytes() { return proc_bytes("/proc/self/status", "VmHWM:"); }

std::size_t available_bytes() {
  const std::size_t free = proc_bytes("/proc/meminfo", "MemAvailable:");
  const std::filesystem::path root = "/sys/fs/cgroup";
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    constexpr std::string_view kVersion2 = "0::/";
    if (line.starts_with(kVersion2))
      return std::min(free, control_group_room(root / line.substr(kVersion2.size()), root));
  }
  return free;
}

std::size_t control_group_room(const std::filesystem::path& group,
                               const std::filesystem::path& root) {
  std::size_t room = std::numeric_limits<std::size_t>::max();
  for (std::filesystem::path folder = group;; folder = folder.parent_path()) {
    const std::optional<std::size_t> limit = first_number(folder / "memory.max");
    const std::optional<std::size_t> used = first_number(folder / "memory.current");
    if (limit && used) {
      const std::size_t held = *used - std::min(*used, reclaimable_bytes(folder));
      room = std::min(room, *limit - std::min(*limit, held));
    }
    if (folder == root || folder == folder.parent_path()) return room;
  }
}

}  // namespace isoflop::train
