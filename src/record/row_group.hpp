// The columns of one group of run.h5 (one a field of Row, equally long), and rows on their way
// there.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "hdf5/column.hpp"

namespace isoflop::record {

template <class Row>
class RowGroup {
 public:
  static RowGroup create(hdf5::File& file, const std::string& group) {
    RowGroup rows;
    for (const hdf5::Field& field : hdf5::fields_of<Row>())
      rows.columns_.push_back(hdf5::Column::create(file, group + "/" + field.name, field.type));
    rows.packed_.resize(rows.columns_.size());
    return rows;
  }

  static RowGroup open(const hdf5::File& file, const std::string& group) {
    RowGroup rows;
    for (const hdf5::Field& field : hdf5::fields_of<Row>())
      rows.columns_.push_back(hdf5::Column::open(file, group + "/" + field.name, field.type));
    rows.packed_.resize(rows.columns_.size());
    return rows;
  }

  /// Keeps the row in memory; all of it or, when a text is too long, nothing.
  void add(const Row& row) {
    std::vector<std::vector<std::byte>> fields(packed_.size());
    hdf5::pack(row, [&](std::size_t i) -> std::vector<std::byte>& { return fields[i]; });
    for (std::size_t i = 0; i < fields.size(); ++i)
      packed_[i].insert(packed_[i].end(), fields[i].begin(), fields[i].end());
    ++pending_;
  }
  std::size_t pending() const { return pending_; }

  /// Pending rows go to the file.
  void write() {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      columns_[i].append(packed_[i]);
      packed_[i].clear();
    }
    pending_ = 0;
  }

  /// Pending rows replace the first ones of the file.
  void overwrite() {
    if (pending_ == 0) return;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      columns_[i].overwrite(0, packed_[i]);
      packed_[i].clear();
    }
    pending_ = 0;
  }

  /// The last rows, at most `most`, of those that all columns have: a writer that was killed may
  /// have lengthened only some.
  std::vector<Row> read(std::size_t most = std::numeric_limits<std::size_t>::max()) const {
    std::size_t all = columns_.front().size();
    for (const hdf5::Column& column : columns_) all = std::min(all, column.size());
    const std::size_t count = std::min(all, most);
    std::vector<std::vector<std::byte>> stored;
    for (const hdf5::Column& column : columns_) stored.push_back(column.read(all - count, count));
    std::vector<Row> rows;
    rows.reserve(count);
    for (std::size_t row = 0; row < count; ++row) {
      rows.push_back(hdf5::unpack<Row>([&](std::size_t i, std::size_t bytes) {
        return std::span<const std::byte>(stored[i]).subspan(row * bytes, bytes);
      }));
    }
    return rows;
  }

 private:
  std::vector<hdf5::Column> columns_;
  std::vector<std::vector<std::byte>> packed_;
  std::size_t pending_ = 0;
};

}  // namespace isoflop::record
