#include "hdf5/attributes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "hdf5/error.hpp"
#include "hdf5/fields.hpp"

namespace isoflop::hdf5 {
namespace {

TypeHandle variable_text(const std::string& where) {
  TypeHandle type(ISOFLOP_HDF5(H5Tcopy(H5T_C_S1), where));
  ISOFLOP_HDF5(H5Tset_size(type.id(), H5T_VARIABLE), where);
  ISOFLOP_HDF5(H5Tset_cset(type.id(), H5T_CSET_UTF8), where);
  return type;
}

TypeHandle type_of(const Value& value, Text text, const std::string& where) {
  if (std::holds_alternative<std::int64_t>(value)) return file_type(Type::int64());
  if (std::holds_alternative<double>(value)) return file_type(Type::float64());
  if (text == Text::variable) return variable_text(where);
  return file_type(Type::text(std::max<std::size_t>(1, std::get<std::string>(value).size())));
}

void write(hid_t object, const std::string& name, const Value& value, Text storage,
           const std::string& where) {
  if (ISOFLOP_HDF5(H5Aexists(object, name.c_str()), where) > 0)
    ISOFLOP_HDF5(H5Adelete(object, name.c_str()), where);
  const TypeHandle type = type_of(value, storage, where);
  const SpaceHandle scalar(ISOFLOP_HDF5(H5Screate(H5S_SCALAR), where));
  const AttributeHandle attribute(ISOFLOP_HDF5(
      H5Acreate2(object, name.c_str(), type.id(), scalar.id(), H5P_DEFAULT, H5P_DEFAULT), where));
  const auto* text = std::get_if<std::string>(&value);
  const char* characters = text != nullptr ? text->c_str() : nullptr;
  const void* memory =
      text == nullptr
          ? std::visit([](const auto& v) { return static_cast<const void*>(&v); }, value)
      : storage == Text::fixed ? static_cast<const void*>(characters)
                               : static_cast<const void*>(&characters);
  ISOFLOP_HDF5(H5Awrite(attribute.id(), type.id(), memory), where);
}

std::string read_text(hid_t attribute, hid_t stored, const std::string& where) {
  if (ISOFLOP_HDF5(H5Tis_variable_str(stored), where) > 0) {
    char* pointer = nullptr;
    ISOFLOP_HDF5(H5Aread(attribute, stored, static_cast<void*>(&pointer)), where);
    const std::string text = pointer == nullptr ? "" : pointer;
    H5free_memory(pointer);
    return text;
  }
  std::string text(size_of(stored, where), '\0');
  ISOFLOP_HDF5(H5Aread(attribute, stored, text.data()), where);
  return text.substr(0, text.find('\0'));
}

Value read_value(hid_t attribute, const std::string& where) {
  const SpaceHandle space(ISOFLOP_HDF5(H5Aget_space(attribute), where));
  if (ISOFLOP_HDF5(H5Sget_simple_extent_npoints(space.id()), where) != 1)
    throw Damaged(where + ": the attribute holds an array, one value is needed");
  const TypeHandle stored(ISOFLOP_HDF5(H5Aget_type(attribute), where));
  const H5T_class_t kind = ISOFLOP_HDF5(H5Tget_class(stored.id()), where);
  if (kind == H5T_STRING) return read_text(attribute, stored.id(), where);
  if (kind == H5T_FLOAT) {
    double number = 0;
    ISOFLOP_HDF5(H5Aread(attribute, H5T_NATIVE_DOUBLE, &number), where);
    return number;
  }
  if (kind != H5T_INTEGER) throw Damaged(where + ": the attribute is neither a number nor text");
  std::int64_t number = 0;
  ISOFLOP_HDF5(H5Aread(attribute, H5T_NATIVE_INT64, &number), where);
  return number;
}

}  // namespace

void write_attributes(File& file, const std::string& object, const Attributes& attributes,
                      Text text) {
  const ObjectHandle target(
      ISOFLOP_HDF5(H5Oopen(file.id(), object.c_str(), H5P_DEFAULT), file.where(object)));
  for (const auto& [name, value] : attributes)
    write(target.id(), name, value, text, file.where(fmt::format("{}@{}", object, name)));
}

Attributes read_attributes(const File& file, const std::string& object) {
  const std::string where = file.where(object);
  const ObjectHandle source(ISOFLOP_HDF5(H5Oopen(file.id(), object.c_str(), H5P_DEFAULT), where));
  const int count = ISOFLOP_HDF5(H5Aget_num_attrs(source.id()), where);
  Attributes attributes;
  for (int i = 0; i < count; ++i) {
    const AttributeHandle attribute(
        ISOFLOP_HDF5(H5Aopen_by_idx(source.id(), ".", H5_INDEX_NAME, H5_ITER_INC,
                                    static_cast<hsize_t>(i), H5P_DEFAULT, H5P_DEFAULT),
                     where));
    std::string name(
        static_cast<std::size_t>(ISOFLOP_HDF5(H5Aget_name(attribute.id(), 0, nullptr), where)),
        '\0');
    ISOFLOP_HDF5(H5Aget_name(attribute.id(), name.size() + 1, name.data()), where);
    attributes.emplace_back(name, read_value(attribute.id(), fmt::format("{}@{}", where, name)));
  }
  return attributes;
}

const Value* find(const Attributes& attributes, const std::string& name) {
  for (const auto& [key, value] : attributes)
    if (key == name) return &value;
  return nullptr;
}

}  // namespace isoflop::hdf5
