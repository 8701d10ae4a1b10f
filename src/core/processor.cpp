#include "core/processor.hpp"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <thread>

namespace isoflop {
namespace {

// A set as large as the system's: CPU_SETSIZE is 1024, machines may have more.
std::size_t cores_of_affinity() {
  for (std::size_t most = CPU_SETSIZE; most <= 1u << 20; most *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
        CPU_ALLOC(most), [](cpu_set_t* cores) { CPU_FREE(cores); });
    if (set != nullptr && sched_getaffinity(0, CPU_ALLOC_SIZE(most), set.get()) == 0)
      return static_cast<std::size_t>(CPU_COUNT_S(CPU_ALLOC_SIZE(most), set.get()));
  }
  return std::thread::hardware_concurrency();
}

// The path of this process's group below the root of all: "0::/user.slice/..." in its list.
std::filesystem::path own_group() {
  std::ifstream list("/proc/self/cgroup");
  for (std::string line; std::getline(list, line);) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return {};
}

// cpu.max holds "<microseconds of processor time> <in a period of microseconds>", or "max ...".
double cores_of_group(const std::filesystem::path& folder, double most) {
  std::ifstream file(folder / "cpu.max");
  double time = 0;
  double period = 0;
  return file >> time >> period && period > 0 ? std::min(most, time / period) : most;
}

}  // namespace

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::size_t usable_cores(const std::filesystem::path& groups) {
  auto cores = static_cast<double>(cores_of_affinity());
  std::filesystem::path folder = groups;
  cores = cores_of_group(folder, cores);
  for (const std::filesystem::path& part : own_group())  // every group above it limits it as well
    cores = cores_of_group(folder /= part, cores);
  return static_cast<std::size_t>(std::max(1.0, std::ceil(cores)));
}

}  // namespace isoflop
