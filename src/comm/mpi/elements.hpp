// What a message is made of. MPI is given bytes; what their elements are goes with a message as its
// tag.
#pragma once

#include <string>
#include <typeinfo>

namespace isoflop::comm {

/// The tag of an exchange, which is of bytes and says nothing.
inline constexpr int kUntyped = 0;

int tag_of(const std::type_info& type);

/// For messages: the type of that tag, as C++ spells it.
std::string type_with(int tag);
std::string readable(const std::type_info& type);

}  // namespace isoflop::comm
