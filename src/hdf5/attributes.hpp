// Typed attributes: int64, float64 or UTF-8 text.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "hdf5/file.hpp"

namespace isoflop::hdf5 {

using Value = std::variant<std::int64_t, double, std::string>;
using Attributes = std::vector<std::pair<std::string, Value>>;

/// How text lies in the file. Variable length: h5py gives a str, but HDF5 neither checksums it nor
/// survives every damage to it. Fixed length: h5py gives bytes, and damage is noticed.
enum class Text { variable, fixed };

/// Adds attributes to the object; one that is there is replaced.
void write_attributes(File& file, const std::string& object, const Attributes& attributes,
                      Text text = Text::variable);

/// All attributes of the object, sorted by name. Integers and floats of any width are converted; an
/// attribute of another kind (an array, say) is an Error.
Attributes read_attributes(const File& file, const std::string& object);

/// The value by that name, or nullptr.
const Value* find(const Attributes& attributes, const std::string& name);

/// The value by that name. InputError, naming `where`, when there is none of that type.
template <class T>
const T& get(const Attributes& attributes, const std::string& name, const std::string& where) {
  const Value* value = find(attributes, name);
  require(value != nullptr, "{}: {} is missing: another version or program wrote the file", where,
          name);
  const T* typed = std::get_if<T>(value);
  require(typed != nullptr, "{}: {} has another type: another version or program wrote the file",
          where, name);
  return *typed;
}

}  // namespace isoflop::hdf5
