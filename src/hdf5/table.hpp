// A compound table: one dataset, a row a record, a member a field (pandas:
// DataFrame(file["runs"][:])).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "hdf5/fields.hpp"
#include "hdf5/file.hpp"

namespace isoflop::hdf5 {

/// Rows packed one behind the other without padding. Checksummed.
void write_packed_table(File& file, const std::string& name, const std::vector<Field>& fields,
                        std::span<const std::byte> packed);

/// Members are found by name; one that is missing is InputError, further ones are left out.
std::vector<std::byte> read_packed_table(const File& file, const std::string& name,
                                         const std::vector<Field>& fields);

template <class Row>
void write_table(File& file, const std::string& name, const std::vector<Row>& rows) {
  std::vector<std::byte> packed;
  const auto sink = [&](std::size_t) -> std::vector<std::byte>& { return packed; };
  for (const Row& row : rows) pack(row, sink);
  write_packed_table(file, name, fields_of<Row>(), packed);
}

template <class Row>
std::vector<Row> read_table(const File& file, const std::string& name) {
  const std::vector<std::byte> packed = read_packed_table(file, name, fields_of<Row>());
  std::span<const std::byte> rest(packed);
  std::vector<Row> rows;
  while (!rest.empty()) {
    rows.push_back(unpack<Row>([&](std::size_t, std::size_t bytes) {
      const auto field = rest.first(bytes);
      rest = rest.subspan(bytes);
      return field;
    }));
  }
  return rows;
}

}  // namespace isoflop::hdf5
