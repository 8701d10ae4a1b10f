// Squares of pairs of bf16: `Lanes::width` lines x as many words, each word two positions of the
// depth. What the instructions that multiply pairs (TDPBF16PS, VDPBF16PS) take.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/cpu/block_product.hpp"
#include "kernels/cpu/vector_moves.hpp"

namespace isoflop::kernels::cpu {
namespace {

/// The two positions of word w, counted from the first position of the square.
struct AdjacentPairs {
  static constexpr std::size_t lower_position(std::size_t w) { return 2 * w; }
  static constexpr std::size_t upper_position(std::size_t w) { return 2 * w + 1; }
};

/// What a row of the square holds: the words of one line, or one word of all lines.
enum class SquareRow { line, word };

/// Words of two halves each.
template <class Lanes, std::size_t... half>
ISOFLOP_INLINE typename Lanes::Word interleave(typename Lanes::Half lower,
                                               typename Lanes::Half upper,
                                               std::index_sequence<half...>) {
  return as<typename Lanes::Word>(__builtin_shufflevector(
      lower, upper, int(half % 2 == 0 ? half / 2 : Lanes::width + half / 2)...));
}

constexpr std::size_t kFour = 4;  // positions: whole words in every order

/// Four positions of `Lanes::width` lines that lie side by side. Unless `full`, zeros beyond
/// `lines` and beyond `positions`.
template <class Lanes, bool full>
ISOFLOP_INLINE void load_four(const bf16* at, std::size_t stride, std::size_t lines,
                              std::size_t positions, typename Lanes::Half (&four)[kFour]) {
#pragma GCC unroll 4
  for (std::size_t i = 0; i < kFour; ++i) {
    if (full || (lines >= Lanes::width && i < positions)) {
      four[i] = load<typename Lanes::Half>(at + i * stride);
    } else {
      four[i] = typename Lanes::Half{};
      if (i < positions) std::memcpy(&four[i], at + i * stride, lines * sizeof(bf16));
    }
  }
}

template <class Order>
constexpr bool keeps_words_in_fours(std::size_t words) {
  for (std::size_t w = 0; w < words; ++w) {
    if (Order::lower_position(w) / kFour != Order::upper_position(w) / kFour) return false;
  }
  return true;
}

/// square [w] = a word from each of `Lanes::width` lines that lie side by side. Unless `full`,
/// zeros beyond `lines` and beyond the depth.
template <class Lanes, class Order, bool full>
ISOFLOP_INLINE void load_pairs(const Operand<bf16>& from, std::size_t lines, std::size_t depth,
                               std::size_t position, typename Lanes::Word (&square)[Lanes::width]) {
  static_assert(keeps_words_in_fours<Order>(Lanes::width), "a word is made of one four");
  const bf16* at = from.data + position * from.stride;
#pragma GCC unroll 8
  for (std::size_t first = 0; first < 2 * Lanes::width; first += kFour) {
    typename Lanes::Half four[kFour];
    load_four<Lanes, full>(at, from.stride, lines, lines_left(depth, position + first), four);
#pragma GCC unroll 16
    for (std::size_t w = 0; w < Lanes::width; ++w) {
      if (Order::lower_position(w) / kFour != first / kFour) continue;
      square[w] = interleave<Lanes>(four[Order::lower_position(w) % kFour],
                                    four[Order::upper_position(w) % kFour],
                                    std::make_index_sequence<std::size_t{2} * Lanes::width>());
    }
    advance(at, kFour * from.stride);
  }
}

/// Adjacent pairs, as memory along the depth holds them, in another order.
template <class Lanes, class Order, std::size_t... half>
ISOFLOP_INLINE typename Lanes::Word in_order(typename Lanes::Word adjacent,
                                             std::index_sequence<half...>) {
  typedef std::uint16_t Halves __attribute__((vector_size(sizeof(adjacent))));
  const Halves halves = as<Halves>(adjacent);
  return as<typename Lanes::Word>(__builtin_shufflevector(
      halves, halves,
      int(half % 2 == 0 ? Order::lower_position(half / 2) : Order::upper_position(half / 2))...));
}

/// `Lanes::width` lines x words from `position` on. Unless `full`, zeros beyond `lines` and beyond
/// the depth.
template <class Lanes, class Order, SquareRow row, bool full>
ISOFLOP_INLINE void load_pair_square(const Operand<bf16>& from, std::size_t lines,
                                     std::size_t depth, std::size_t position,
                                     typename Lanes::Word (&square)[Lanes::width]) {
  if (from.along == Contiguous::depth) {
    load_square<Lanes, full>(from, lines, depth, position, square);
#pragma GCC unroll 16
    for (int i = 0; i < Lanes::width; ++i) {
      square[i] = in_order<Lanes, Order>(square[i],
                                         std::make_index_sequence<std::size_t{2} * Lanes::width>());
    }
    if constexpr (row == SquareRow::word) transpose<Lanes>(square);
  } else {
    load_pairs<Lanes, Order, full>(from, lines, depth, position, square);
    if constexpr (row == SquareRow::line) transpose<Lanes>(square);
  }
}

/// to [width][stride], stride in words: the square where it is packed.
template <class Lanes, class Order, SquareRow row>
ISOFLOP_INLINE void pack_pair_square(const Operand<bf16>& from, std::size_t lines,
                                     std::size_t depth, std::size_t position, void* to,
                                     std::size_t stride) {
  typename Lanes::Word square[Lanes::width];
  const bool full = lines >= Lanes::width && position + std::size_t{2} * Lanes::width <= depth;
  if (full) {
    load_pair_square<Lanes, Order, row, true>(from, lines, depth, position, square);
  } else {
    load_pair_square<Lanes, Order, row, false>(from, lines, depth, position, square);
  }
  auto* at = static_cast<std::uint32_t*>(to);
#pragma GCC unroll 16
  for (int i = 0; i < Lanes::width; ++i, advance(at, stride)) store(at, square[i]);
}

}  // namespace
}  // namespace isoflop::kernels::cpu
