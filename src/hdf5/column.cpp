#include "hdf5/column.hpp"

#include "core/error.hpp"
#include "hdf5/error.hpp"

namespace isoflop::hdf5 {
namespace {

constexpr std::size_t kChunkBytes = 4096 - 4;  // a page less the checksum

SpaceHandle line(std::size_t count, const std::string& where) {
  const hsize_t extent = count;
  return SpaceHandle(ISOFLOP_HDF5(H5Screate_simple(1, &extent, nullptr), where));
}

std::size_t rows_of(hid_t dataset, const std::string& where) {
  const SpaceHandle space(ISOFLOP_HDF5(H5Dget_space(dataset), where));
  require(ISOFLOP_HDF5(H5Sget_simple_extent_ndims(space.id()), where) == 1,
          "{}: one dimension is needed", where);
  hsize_t extent = 0;
  ISOFLOP_HDF5(H5Sget_simple_extent_dims(space.id(), &extent, nullptr), where);
  return extent;
}

}  // namespace

Column::Column(DatasetHandle dataset, Type type, std::size_t size, std::string where)
    : dataset_(std::move(dataset)),
      memory_(file_type(type)),
      row_bytes_(type.bytes),
      size_(size),
      where_(std::move(where)) {}

Column Column::create(File& file, const std::string& name, Type type) {
  const std::string where = file.where(name);
  const hsize_t none = 0, unlimited = H5S_UNLIMITED, rows = kChunkBytes / type.bytes;
  const SpaceHandle space(ISOFLOP_HDF5(H5Screate_simple(1, &none, &unlimited), where));
  const PropertiesHandle layout(ISOFLOP_HDF5(H5Pcreate(H5P_DATASET_CREATE), where));
  ISOFLOP_HDF5(H5Pset_chunk(layout.id(), 1, &rows), where);
  ISOFLOP_HDF5(H5Pset_fletcher32(layout.id()), where);
  return Column(DatasetHandle(ISOFLOP_HDF5(
                    H5Dcreate2(file.id(), name.c_str(), file_type(type).id(), space.id(),
                               making_groups().id(), layout.id(), H5P_DEFAULT),
                    where)),
                type, 0, where);
}

Column Column::open(const File& file, const std::string& name, Type type) {
  const std::string where = file.where(name);
  require(file.contains(name), "{}: the column is missing", where);
  DatasetHandle dataset(ISOFLOP_HDF5(H5Dopen2(file.id(), name.c_str(), H5P_DEFAULT), where));
  const TypeHandle stored(ISOFLOP_HDF5(H5Dget_type(dataset.id()), where));
  const TypeHandle needed = file_type(type);
  require(ISOFLOP_HDF5(H5Tget_class(stored.id()), where) ==
                  ISOFLOP_HDF5(H5Tget_class(needed.id()), where) &&
              size_of(stored.id(), where) == type.bytes,
          "{}: the column has another type than schema 1 gives it", where);
  const std::size_t rows = rows_of(dataset.id(), where);
  return Column(std::move(dataset), type, rows, where);
}

SpaceHandle Column::select(std::size_t row, std::size_t count) const {
  SpaceHandle space(ISOFLOP_HDF5(H5Dget_space(dataset_.id()), where_));
  const hsize_t start = row, extent = count;
  ISOFLOP_HDF5(H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, &start, nullptr, &extent, nullptr),
               where_);
  return space;
}

void Column::append(std::span<const std::byte> packed) {
  if (packed.empty()) return;
  const std::size_t row = size_;
  const hsize_t extent = row + packed.size() / row_bytes_;
  ISOFLOP_HDF5(H5Dset_extent(dataset_.id(), &extent), where_);
  size_ = extent;
  overwrite(row, packed);
}

void Column::overwrite(std::size_t row, std::span<const std::byte> packed) {
  ISOFLOP_EXPECT(packed.size() % row_bytes_ == 0);
  const std::size_t count = packed.size() / row_bytes_;
  ISOFLOP_EXPECT(row + count <= size_);
  ISOFLOP_HDF5(H5Dwrite(dataset_.id(), memory_.id(), line(count, where_).id(),
                        select(row, count).id(), H5P_DEFAULT, packed.data()),
               where_);
}

std::vector<std::byte> Column::read(std::size_t row, std::size_t count) const {
  ISOFLOP_EXPECT(row + count <= size_);
  std::vector<std::byte> packed(count * row_bytes_);
  if (count == 0) return packed;
  ISOFLOP_HDF5(H5Dread(dataset_.id(), memory_.id(), line(count, where_).id(),
                       select(row, count).id(), H5P_DEFAULT, packed.data()),
               where_);
  return packed;
}

}  // namespace isoflop::hdf5
