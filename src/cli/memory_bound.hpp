// The bound that the memory of devices sets to N, for `isoflop optimal`.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "laws/plan/optimal.hpp"
#include "train/largest_model.hpp"

namespace isoflop::cli {

struct MemoryBound {
  std::uint64_t bytes;  // a device
  std::size_t devices;
  train::LargestModel largest;
};

/// Throws InputError unless `devices` is a whole number, and when no shape of the family fits.
MemoryBound memory_bound(const model::Family& family, std::uint64_t bytes, double devices);

/// What fits, and what the bound costs where it counts.
std::string describe(const MemoryBound& bound, const laws::Goal& goal,
                     const laws::Optimum& optimum);
nlohmann::ordered_json json_of(const MemoryBound& bound, const laws::Optimum& optimum);

}  // namespace isoflop::cli
