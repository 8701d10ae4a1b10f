// Moving vectors about, for the kernels of any instruction set. Everything has internal linkage and
// is inlined, so that code of one instruction set is never merged with that of another.
//
// Lanes says what an instruction set offers:
//   Float, Word, Half     GCC vectors of `width` float, uint32_t, uint16_t
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/cpu/block_product.hpp"

#define ISOFLOP_INLINE [[gnu::always_inline]] inline

namespace isoflop::kernels::cpu {
namespace {

/// The same bits in another vector type (std::bit_cast would be compiled for the plain target).
template <class To, class From>
ISOFLOP_INLINE To as(From value) {
  static_assert(sizeof(To) == sizeof(From));
  return (To)value;
}

template <class V>
ISOFLOP_INLINE V load(const void* from) {
  V value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class V>
ISOFLOP_INLINE void store(void* to, V value) {
  std::memcpy(to, &value, sizeof value);
}

template <class Lanes, int distance, std::size_t... lane>
ISOFLOP_INLINE void swap_blocks(typename Lanes::Word& upper, typename Lanes::Word& lower,
                                std::index_sequence<lane...>) {
  using Word = typename Lanes::Word;
  constexpr int width = Lanes::width;
  const Word first = __builtin_shufflevector(
      upper, lower, ((lane & distance) == 0 ? int(lane) : width + int(lane) - distance)...);
  const Word second = __builtin_shufflevector(
      upper, lower, ((lane & distance) == 0 ? int(lane) + distance : width + int(lane))...);
  upper = first;
  lower = second;
}

/// Transposes a square of words, exchanging off-diagonal blocks of 1, 2, 4, ... lanes.
template <class Lanes, int distance = 1>
ISOFLOP_INLINE void transpose(typename Lanes::Word (&rows)[Lanes::width]) {
  if constexpr (distance < Lanes::width) {
#pragma GCC unroll 16
    for (int i = 0; i < Lanes::width; ++i) {
      if ((i & distance) == 0) {
        swap_blocks<Lanes, distance>(rows[i], rows[i + distance],
                                     std::make_index_sequence<Lanes::width>());
      }
    }
    transpose<Lanes, 2 * distance>(rows);
  }
}

/// at += stride, hidden from the compiler: it would compute the addresses of a whole square ahead,
/// keep most on the stack and take longer for them than for the moves. May pass the last line.
template <class T>
ISOFLOP_INLINE void advance(T*& at, std::size_t stride) {
  at += stride;
  asm("" : "+r"(at));
}

constexpr std::size_t lines_left(std::size_t all, std::size_t before) {
  return all > before ? all - before : 0;
}

/// square [i] = a word from each of `Lanes::width` lines along the depth, from `position` on.
/// Unless `full`, zeros beyond the last line and the depth.
template <class Lanes, bool full, class T>
ISOFLOP_INLINE void load_square(const Operand<T>& from, std::size_t lines, std::size_t depth,
                                std::size_t position,
                                typename Lanes::Word (&square)[Lanes::width]) {
  using Word = typename Lanes::Word;
  constexpr std::size_t unit = sizeof(Word) / sizeof(T);  // positions a line
  const T* at = from.data + position;
#pragma GCC unroll 16
  for (int i = 0; i < Lanes::width; ++i, advance(at, from.stride)) {
    if (full || (std::size_t(i) < lines && position + unit <= depth)) {
      square[i] = load<Word>(at);
    } else {
      square[i] = Word{};
      const bool inside = std::size_t(i) < lines && position < depth;
      if (inside) std::memcpy(&square[i], at, (depth - position) * sizeof(T));
    }
  }
}

}  // namespace
}  // namespace isoflop::kernels::cpu
