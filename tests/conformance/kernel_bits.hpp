// What the kernels compute, as one line "primitive  hash" each, so that runs at other instruction
// set levels and thread counts can be compared (compare_kernel_bits.sh). A family of primitives is
// one function here, called from kernel_bits.cpp.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/bf16.hpp"
#include "core/hash.hpp"
#include "core/random.hpp"

namespace isoflop::conformance {

template <class T>
constexpr std::string_view type_name() {
  return std::is_same_v<T, float> ? "fp32" : "bf16";
}

/// Numbers of about unit size, the same everywhere.
template <class T>
std::vector<T> numbers(std::size_t count, std::uint32_t stream) {
  RandomStream random(1, Purpose::test, stream);
  std::vector<T> values(count);
  for (T& value : values) value = T(static_cast<float>(4.0 * random.next_uniform() - 2.0));
  return values;
}

template <class... T>
void print_bits(std::string_view primitive, std::string_view type,
                const std::vector<T>&... results) {
  Hasher hasher;
  (hasher.add(std::as_bytes(std::span(results))), ...);
  fmt::print("{} {} {}\n", primitive, type, hex(hasher.value()));
}

void print_pointwise_bits();
void print_attention_bits();
void print_matmul_bits();

}  // namespace isoflop::conformance
