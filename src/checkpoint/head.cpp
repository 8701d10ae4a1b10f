#include "checkpoint/head.hpp"

#include <bit>

#include "core/hash.hpp"
#include "hdf5/fields.hpp"

namespace isoflop::checkpoint {
namespace {

void add(Hasher& hasher, const hdf5::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    hasher.add(*text);
  } else if (const auto* number = std::get_if<double>(&value)) {
    hasher.add(hex(std::bit_cast<std::uint64_t>(*number)));
  } else {
    hasher.add(std::to_string(std::get<std::int64_t>(value)));
  }
}

template <class Row>
void add(Hasher& hasher, const std::vector<Row>& rows) {
  std::vector<std::byte> packed;
  for (const Row& row : rows) {
    packed.clear();
    hdf5::pack(row, [&](std::size_t) -> std::vector<std::byte>& { return packed; });
    hasher.add(packed);
  }
}

}  // namespace

std::string checksum_of(const Head& head) {
  Hasher hasher;
  for (const auto& [name, value] : head.attributes) {
    hasher.add(name);
    hasher.add("=");
    add(hasher, value);
    hasher.add("\n");
  }
  add(hasher, head.tensors);
  add(hasher, head.blocks);
  return hex(hasher.value());
}

}  // namespace isoflop::checkpoint
