// A one-dimensional dataset that grows: chunked, each chunk checksummed (fletcher32) and just under
// a page (4096 bytes), the unit in which a write is seen whole or not at all.
//
// Rows travel packed, as hdf5/fields.hpp lays them out. Errors name file and column.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "hdf5/fields.hpp"
#include "hdf5/file.hpp"

namespace isoflop::hdf5 {

class Column {
 public:
  /// Empty; groups on the way are made. Not in a file open for SWMR.
  static Column create(File& file, const std::string& name, Type type);
  /// InputError when the file has no such column, or one of another type.
  static Column open(const File& file, const std::string& name, Type type);

  /// Rows in the file.
  std::size_t size() const { return size_; }
  /// Behind the last row; flush() of the file makes it visible.
  void append(std::span<const std::byte> packed);
  /// In place of rows [row, row + n), which exist.
  void overwrite(std::size_t row, std::span<const std::byte> packed);
  /// Rows [row, row + count), which exist.
  std::vector<std::byte> read(std::size_t row, std::size_t count) const;

 private:
  Column(DatasetHandle dataset, Type type, std::size_t size, std::string where);
  SpaceHandle select(std::size_t row, std::size_t count) const;

  DatasetHandle dataset_;
  TypeHandle memory_;
  std::size_t row_bytes_;
  std::size_t size_;
  std::string where_;
};

}  // namespace isoflop::hdf5
