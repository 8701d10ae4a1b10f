// Everything of state.h5 but the tensors' values: scalars, /tensors, /blocks, and the checksum over
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/plan.hpp"
#include "hdf5/attributes.hpp"

namespace isoflop::checkpoint {

inline constexpr std::int64_t kSchema = 1;

/// A row of /tensors.
struct TensorRow {
  std::string name;
  std::int64_t offset = 0, count = 0;  // elements of the flat buffer it was saved from

  template <class Row, class Field>
  static void fields(Row& row, Field&& field) {
    field("name", row.name, 128);
    field("offset", row.offset);
    field("count", row.count);
  }
};

struct Head {
  hdf5::Attributes attributes;  // sorted by name, all but the checksum itself
  std::vector<TensorRow> tensors;
  std::vector<Block> blocks;
};

std::string checksum_of(const Head& head);

}  // namespace isoflop::checkpoint
