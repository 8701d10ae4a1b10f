#include "parallel/layout/part_sharding.hpp"

#include <algorithm>
#include <utility>

#include "core/integers.hpp"

namespace isoflop::parallel {

PartSharding::PartSharding(std::vector<Extent> parts, std::size_t ranks, std::size_t block,
                           Extent blocks)
    : parts_(std::move(parts)), ranks_(ranks), block_(block), blocks_(blocks), local_begin_{0} {
  for (const Extent& part : parts_) {
    const std::size_t stride = block * ranks;
    shards_.push_back(ceil_div(part.size(), stride) * block);
    local_begin_.push_back(local_begin_.back() + shards_.back());
  }
}

std::size_t PartSharding::largest_shard() const {
  return *std::max_element(shards_.begin(), shards_.end());
}

std::size_t PartSharding::largest_block() const {
  std::size_t largest = 0;
  for (std::size_t part = blocks_.begin; part < blocks_.end; ++part)
    largest = std::max(largest, padded(part));
  return largest;
}

Extent PartSharding::owned(std::size_t part, std::size_t rank) const {
  const auto& [begin, end] = parts_[part];
  return {std::min(begin + rank * shards_[part], end),
          std::min(begin + (rank + 1) * shards_[part], end)};
}

}  // namespace isoflop::parallel
