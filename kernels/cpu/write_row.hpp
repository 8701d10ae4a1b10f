// Writing fp32 sums as results of either format. Internal linkage, as vector_moves.hpp.
//
// Lanes, beside what vector_moves.hpp asks for:
//   narrow(Word)          the lower halves
//   round(Float)          to bf16, where an instruction does it; may count denormals as zero
#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include "core/bf16.hpp"
#include "kernels/cpu/vector_moves.hpp"

namespace isoflop::kernels::cpu {
namespace {

/// Rounds to bf16 as bf16(float) does; a NaN keeps its payload, made quiet. Lanes::round may be
/// used: no sum is denormal, for a result of bf16 begins at zero and its products flush denormals.
template <class Lanes>
ISOFLOP_INLINE typename Lanes::Half round_to_bf16(typename Lanes::Float value) {
  if constexpr (requires { Lanes::round(value); }) return Lanes::round(value);
  using Word = typename Lanes::Word;
  const Word word = as<Word>(value);
  const Word rounded = word + 0x7FFFu + ((word >> 16) & 1u);
  const Word chosen = (word & 0x7FFFFFFFu) > 0x7F800000u ? word | 0x400000u : rounded;
  return Lanes::narrow(chosen >> 16);
}

template <class Lanes, class Y>
ISOFLOP_INLINE void write_row(const float* from, std::size_t count, Y* to) {
  if constexpr (std::is_same_v<Y, float>) {
    std::memcpy(to, from, count * sizeof(float));
  } else {
    std::size_t i = 0;
    for (; i + Lanes::width <= count; i += Lanes::width) {
      store(to + i, round_to_bf16<Lanes>(load<typename Lanes::Float>(from + i)));
    }
    for (; i < count; ++i) to[i] = Y(from[i]);
  }
}

}  // namespace
}  // namespace isoflop::kernels::cpu
