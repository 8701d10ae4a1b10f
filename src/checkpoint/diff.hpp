// What differs between two checkpoints, bit by bit, however many ranks saved either.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace isoflop::checkpoint {

/// One tensor of one kind that both checkpoints have.
struct TensorDifference {
  std::string name;  // "parameters/blocks.0.attention.query"
  std::size_t elements = 0;
  std::size_t different = 0;  // in their bits
  double largest = 0;         // max |a - b|; NaN where a bit pattern is no number
  double relative = 0;        // largest / max(|a|, |b|), 0 where only signs of zero differ
};

struct Difference {
  std::vector<TensorDifference> tensors;  // all, in the order of the first checkpoint
  std::vector<std::string> structure;  // scalars, kinds and tensors that do not match, a line each

  bool is_equal() const;
};

/// Reads and checks both; 2 MiB of memory. Scalars named in `ignored` may differ. Errors as load().
Difference diff(const std::filesystem::path& first, const std::filesystem::path& second,
                const std::vector<std::string>& ignored = {});

}  // namespace isoflop::checkpoint
