#include "comm/mpi/elements.hpp"

#include <cxxabi.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/bf16.hpp"
#include "core/hash.hpp"

namespace isoflop::comm {

std::string readable(const std::type_info& type) {
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr), &std::free);
  return text ? text.get() : type.name();
}

int tag_of(const std::type_info& type) {
  constexpr std::uint64_t kTags = 32767;  // what every MPI has above 0
  return type == typeid(std::byte) ? kUntyped : 1 + static_cast<int>(hash64(type.name()) % kTags);
}

std::string type_with(int tag) {
  for (const std::type_info* type :
       {&typeid(float), &typeid(bf16), &typeid(double), &typeid(char), &typeid(std::int32_t),
        &typeid(std::uint32_t), &typeid(std::int64_t), &typeid(std::uint64_t)})
    if (tag_of(*type) == tag) return readable(*type);
  return "another type";
}

}  // namespace isoflop::comm
