// Which rank holds what: pure arithmetic, no communication.
//
// The global batch is split into V virtual ranks, V a power of two that is part of the
// configuration. Their gradients are added along a fixed binary tree: (((0+1)+(2+3))+((4+5)+(6+7)))
// for V = 8. A rank holds a run of neighbours and forms the sums of the largest subtrees inside it;
// the rest of the tree is added across ranks. So the result has the same bits on any number of
// ranks.
#pragma once

#include <cstddef>
#include <vector>

namespace isoflop::parallel {

/// The half-open range [begin, end) of virtual ranks, elements or sequences.
struct Extent {
  std::size_t begin = 0;
  std::size_t end = 0;

  std::size_t size() const { return end - begin; }
  bool operator==(const Extent&) const = default;
};

/// Part `index` of `total` things dealt to `parts` in runs as equal as can be, the longer ones
/// first.
Extent share(std::size_t total, std::size_t parts, std::size_t index);

/// True when `left` and `right` are the two halves of a node of the tree.
bool are_siblings(const Extent& left, const Extent& right);

/// The largest subtrees that tile `extent`, in order: [3, 8) is [3, 4), [4, 8).
std::vector<Extent> subtrees(const Extent& extent);

/// Buffers that adding up `extent` one virtual rank after the other needs at a time.
std::size_t buffers_needed(const Extent& extent);

}  // namespace isoflop::parallel
