#include "hdf5/fields.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "hdf5/error.hpp"

namespace isoflop::hdf5 {

TypeHandle file_type(Type type) {
  const std::string where = "data type";
  switch (type.kind) {
    case Type::Kind::int64:
      return TypeHandle(ISOFLOP_HDF5(H5Tcopy(H5T_STD_I64LE), where));
    case Type::Kind::float64:
      return TypeHandle(ISOFLOP_HDF5(H5Tcopy(H5T_IEEE_F64LE), where));
    case Type::Kind::text:
      break;
  }
  TypeHandle text(ISOFLOP_HDF5(H5Tcopy(H5T_C_S1), where));
  ISOFLOP_HDF5(H5Tset_size(text.id(), type.bytes), where);
  ISOFLOP_HDF5(H5Tset_strpad(text.id(), H5T_STR_NULLPAD), where);
  ISOFLOP_HDF5(H5Tset_cset(text.id(), H5T_CSET_UTF8), where);
  return text;
}

std::size_t size_of(hid_t type, const std::string& where) {
  const std::size_t bytes = H5Tget_size(type);
  if (bytes == 0) throw_error("H5Tget_size", where);
  return bytes;
}

void pack_text(const char* field, const std::string& text, std::size_t bytes,
               std::vector<std::byte>& to) {
  require(text.size() <= bytes, "{}: \"{}\" has {} bytes; at most {} fit, shorten it", field, text,
          text.size(), bytes);
  const auto characters = std::as_bytes(std::span(text));
  to.insert(to.end(), characters.begin(), characters.end());
  to.resize(to.size() + bytes - text.size());
}

std::string unpack_text(std::span<const std::byte> bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), std::byte{0});
  return std::string(reinterpret_cast<const char*>(bytes.data()),
                     static_cast<std::size_t>(end - bytes.begin()));
}

std::string cut_text(const std::string& text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  std::size_t end = bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
  return text.substr(0, end);
}

}  // namespace isoflop::hdf5
