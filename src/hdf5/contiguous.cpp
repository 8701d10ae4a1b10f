#include "hdf5/contiguous.hpp"

#include "core/error.hpp"
#include "hdf5/error.hpp"

namespace isoflop::hdf5 {
namespace {

std::size_t place_of(hid_t dataset, const std::string& where) {
  const haddr_t offset = H5Dget_offset(dataset);
  require(offset != HADDR_UNDEF, "{}: the dataset has no place of its own in the file", where);
  return offset;
}

}  // namespace

Contiguous create_contiguous(File& file, const std::string& name,
                             const std::vector<std::size_t>& shape) {
  const std::string where = file.where(name);
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  const SpaceHandle space(ISOFLOP_HDF5(
      extents.empty() ? H5Screate(H5S_SCALAR)
                      : H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr),
      where));
  const PropertiesHandle layout(ISOFLOP_HDF5(H5Pcreate(H5P_DATASET_CREATE), where));
  ISOFLOP_HDF5(H5Pset_layout(layout.id(), H5D_CONTIGUOUS), where);
  ISOFLOP_HDF5(H5Pset_alloc_time(layout.id(), H5D_ALLOC_TIME_EARLY), where);
  ISOFLOP_HDF5(H5Pset_fill_time(layout.id(), H5D_FILL_TIME_NEVER), where);
  const DatasetHandle dataset(
      ISOFLOP_HDF5(H5Dcreate2(file.id(), name.c_str(), H5T_IEEE_F32LE, space.id(),
                              making_groups().id(), layout.id(), H5P_DEFAULT),
                   where));
  return {shape, place_of(dataset.id(), where)};
}

Contiguous open_contiguous(const File& file, const std::string& name) {
  const std::string where = file.where(name);
  require(file.contains(name), "{}: the dataset is missing", where);
  const DatasetHandle dataset(ISOFLOP_HDF5(H5Dopen2(file.id(), name.c_str(), H5P_DEFAULT), where));
  const TypeHandle type(ISOFLOP_HDF5(H5Dget_type(dataset.id()), where));
  require(ISOFLOP_HDF5(H5Tequal(type.id(), H5T_IEEE_F32LE), where) > 0, "{}: float32 is needed",
          where);
  const SpaceHandle space(ISOFLOP_HDF5(H5Dget_space(dataset.id()), where));
  std::vector<hsize_t> extents(
      static_cast<std::size_t>(ISOFLOP_HDF5(H5Sget_simple_extent_ndims(space.id()), where)));
  ISOFLOP_HDF5(H5Sget_simple_extent_dims(space.id(), extents.data(), nullptr), where);
  return {{extents.begin(), extents.end()}, place_of(dataset.id(), where)};
}

}  // namespace isoflop::hdf5
