// The content of the mark `complete`: the size of state.h5 and the checksum of its bytes outside
// the tensors' values, which have checksums of their own in /blocks. With it no flipped bit of a
// checkpoint stays unseen, wherever it lies.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace isoflop::checkpoint {

/// Bytes [begin, end) of a file.
struct ByteRange {
  std::size_t begin = 0, end = 0;
};

/// `values`: where the tensors' values lie in `state`, in any order. Reads the rest of the file.
std::string mark_text(const std::filesystem::path& state, std::vector<ByteRange> values);

}  // namespace isoflop::checkpoint
