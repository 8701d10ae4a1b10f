// float32 datasets stored as one unbroken run of bytes, in row order, at a known place in the file:
// so that many processes can fill and read parts of them with plain reads and writes at byte
// offsets.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "hdf5/file.hpp"

namespace isoflop::hdf5 {

struct Contiguous {
  std::vector<std::size_t> shape;
  std::size_t offset;  // of the first byte in the file
};

/// Reserves the place without writing to it. At least one element; {} is a scalar.
Contiguous create_contiguous(File& file, const std::string& name,
                             const std::vector<std::size_t>& shape);

/// InputError when it is missing, of another type or not contiguous.
Contiguous open_contiguous(const File& file, const std::string& name);

}  // namespace isoflop::hdf5
