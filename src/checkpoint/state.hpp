// What a checkpoint holds: named global float32 tensors, once for every kind (parameters, moments),
// and scalars. In memory a kind is one flat buffer over all tensors, of which a rank holds slices;
// on disk it is a dataset a tensor, so that any number of ranks with any slices can load what any
// other saved.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "hdf5/attributes.hpp"

namespace isoflop::checkpoint {

/// A tensor's name, global shape and place in the flat buffer (elements). What lies between tensors
/// is padding: neither saved nor loaded.
struct TensorEntry {
  std::string name;  // at most 128 bytes; slashes make groups
  std::vector<std::size_t> shape;
  std::size_t offset = 0;

  std::size_t count() const {
    std::size_t product = 1;
    for (const std::size_t extent : shape) product *= extent;
    return product;
  }
};

/// Elements [begin, end) of a kind's flat buffer: data[0] is element `begin`. Saving only reads.
struct Slice {
  std::string kind;  // "parameters" (fp32 master weights), "first_moment", "second_moment", ...
  std::size_t begin = 0, end = 0;
  float* data = nullptr;
};

/// `tensors` are equal on all ranks. Slices are the rank's own, those of a kind do not overlap;
/// several ranks may hold the same elements (then with the same values).
struct State {
  std::vector<TensorEntry> tensors;
  std::vector<Slice> slices;
};

}  // namespace isoflop::checkpoint
