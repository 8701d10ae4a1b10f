// Which rank writes which elements, cut into blocks of at most 1 MiB that are checksummed one by
// one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/state.hpp"
#include "comm/communicator.hpp"

namespace isoflop::checkpoint {

/// Elements [begin, begin + count) of a tensor, written by `rank`. The fields are a row of /blocks.
struct Block {
  std::string kind;
  std::int64_t tensor = 0;  // row of /tensors
  std::int64_t begin = 0, count = 0;
  std::string checksum;  // XXH3, 64 bits, of the bytes
  int rank = 0;
  std::size_t slice = 0;  // of that rank's state, which holds all of the block

  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("kind", row.kind, 24);
    field("tensor", row.tensor);
    field("begin", row.begin);
    field("count", row.count);
    field("checksum", row.checksum, 16);
  }
};

struct Plan {
  std::vector<std::string> kinds;
  std::vector<Block> blocks;  // by kind, tensor, begin: together every element once
};

/// The same plan on every rank. Elements that several ranks hold are written by the lowest of them;
/// Error on all ranks when nobody holds an element. Takes n log n for n slices of all ranks.
/// Collective.
Plan make_plan(comm::Communicator& communicator, const State& state);

/// The part of a block that a slice holds, in elements of the flat buffer; empty (begin == end)
/// when none.
struct Overlap {
  std::size_t begin, end;
};
Overlap overlap(const Block& block, const TensorEntry& tensor, const Slice& slice);

}  // namespace isoflop::checkpoint
