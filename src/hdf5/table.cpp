#include "hdf5/table.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "hdf5/error.hpp"

namespace isoflop::hdf5 {
namespace {

std::size_t row_bytes(const std::vector<Field>& fields) {
  std::size_t bytes = 0;
  for (const Field& field : fields) bytes += field.type.bytes;
  return bytes;
}

TypeHandle compound(const std::vector<Field>& fields, const std::string& where) {
  TypeHandle type(ISOFLOP_HDF5(H5Tcreate(H5T_COMPOUND, row_bytes(fields)), where));
  std::size_t offset = 0;
  for (const Field& field : fields) {
    ISOFLOP_HDF5(H5Tinsert(type.id(), field.name.c_str(), offset, file_type(field.type).id()),
                 where);
    offset += field.type.bytes;
  }
  return type;
}

}  // namespace

void write_packed_table(File& file, const std::string& name, const std::vector<Field>& fields,
                        std::span<const std::byte> packed) {
  const std::string where = file.where(name);
  constexpr hsize_t kLargestChunk = 4096;  // rows
  const TypeHandle type = compound(fields, where);
  const hsize_t rows = packed.size() / row_bytes(fields);
  const hsize_t chunk = std::clamp<hsize_t>(rows, 1, kLargestChunk);
  const SpaceHandle space(ISOFLOP_HDF5(H5Screate_simple(1, &rows, nullptr), where));
  const PropertiesHandle layout(ISOFLOP_HDF5(H5Pcreate(H5P_DATASET_CREATE), where));
  if (rows > 0) {
    ISOFLOP_HDF5(H5Pset_chunk(layout.id(), 1, &chunk), where);
    ISOFLOP_HDF5(H5Pset_fletcher32(layout.id()), where);
  }
  const DatasetHandle dataset(
      ISOFLOP_HDF5(H5Dcreate2(file.id(), name.c_str(), type.id(), space.id(), making_groups().id(),
                              layout.id(), H5P_DEFAULT),
                   where));
  if (rows > 0)
    ISOFLOP_HDF5(H5Dwrite(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, packed.data()),
                 where);
}

std::vector<std::byte> read_packed_table(const File& file, const std::string& name,
                                         const std::vector<Field>& fields) {
  const std::string where = file.where(name);
  require(file.contains(name), "{}: the table is missing", where);
  const DatasetHandle dataset(ISOFLOP_HDF5(H5Dopen2(file.id(), name.c_str(), H5P_DEFAULT), where));
  const TypeHandle stored(ISOFLOP_HDF5(H5Dget_type(dataset.id()), where));
  require(ISOFLOP_HDF5(H5Tget_class(stored.id()), where) == H5T_COMPOUND,
          "{}: a compound table is needed", where);
  for (const Field& field : fields)
    require(H5Tget_member_index(stored.id(), field.name.c_str()) >= 0,
            "{}: the column {} is missing; write the file again with this version", where,
            field.name);
  const SpaceHandle space(ISOFLOP_HDF5(H5Dget_space(dataset.id()), where));
  const auto rows =
      static_cast<std::size_t>(ISOFLOP_HDF5(H5Sget_simple_extent_npoints(space.id()), where));
  std::vector<std::byte> packed(rows * row_bytes(fields));
  if (rows > 0)
    ISOFLOP_HDF5(H5Dread(dataset.id(), compound(fields, where).id(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                         packed.data()),
                 where);
  return packed;
}

}  // namespace isoflop::hdf5
