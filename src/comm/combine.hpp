// The arithmetic of reductions: blocks of all ranks combined in rank order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

#include "core/bf16.hpp"

namespace isoflop::comm {

enum class Combine { sum, maximum };

inline const char* name_of(Combine combine) { return combine == Combine::sum ? "sum" : "maximum"; }

/// out [n] = the blocks [k, n] of `blocks`, combined from the first to the last. bf16 is summed in
/// float and rounded once.
template <class T>
void combine_blocks(std::span<const T> blocks, std::span<T> out, Combine combine) {
  using Sum = std::conditional_t<std::is_same_v<T, bf16>, float, T>;
  const std::size_t count = out.size();
  for (std::size_t i = 0; i < count; ++i) {
    auto total = static_cast<Sum>(blocks[i]);
    for (std::size_t at = i + count; at < blocks.size(); at += count) {
      const auto value = static_cast<Sum>(blocks[at]);
      total = combine == Combine::sum ? static_cast<Sum>(total + value) : std::max(total, value);
    }
    out[i] = static_cast<T>(total);
  }
}

}  // namespace isoflop::comm
