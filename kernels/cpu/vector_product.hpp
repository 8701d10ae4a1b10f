// The vector kernels behind block_product.hpp, one source for every width of vector. Included once
// by each file that is compiled for an instruction set; everything has internal linkage, so that
// the linker never merges code of one instruction set with that of another.
//
// Blocking: b is packed in panels of Lanes::vectors vectors, expanded to fp32 and laid out
// [position][column]. a is expanded to fp32 in blocks of kRowBlock rows x kDepthBlock positions. A
// tile of Lanes::rows x panel results is summed in registers over 32 positions, first the even
// ones, then the odd ones: two chains at once would halve the tile, and with it the arithmetic
// done for each load. A panel of kDepthBlock positions stays in the first-level cache while all
// rows of the block pass.
//
// Lanes, beside what vector_moves.hpp asks for:
//   narrow(Word)          the lower halves
//   vectors, rows         shape of the tile
//   fma(a, b, c)          a b + c, rounded once;   broadcast(p): *p in every lane
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/cpu/block_product.hpp"
#include "kernels/cpu/flush_denormals.hpp"
#include "kernels/cpu/vector_moves.hpp"

namespace isoflop::kernels::cpu {
namespace {

constexpr int kRowBlock = 96;     // a multiple of every Lanes::rows and width
constexpr int kDepthBlock = 128;  // a multiple of kDepthStep
static_assert(kDepthBlock % kDepthStep == 0);

/// Rows of fp32 further apart than this many floats share too few cache sets to be worked on in
/// place: they are copied into a block.
constexpr std::size_t kNearRows = 256;

template <class Lanes>
constexpr int kPanel = Lanes::vectors * Lanes::width;  // columns

template <class Lanes, class T>
ISOFLOP_INLINE typename Lanes::Float widen(const T* from) {
  if constexpr (std::is_same_v<T, float>) {
    return load<typename Lanes::Float>(from);
  } else {
    const auto halves = load<typename Lanes::Half>(from);
    return as<typename Lanes::Float>(Lanes::widen(halves) << 16);
  }
}

/// to [padded] = from [count], then zeros.
template <class Lanes, class T>
ISOFLOP_INLINE void expand(const T* from, std::size_t count, std::size_t padded, float* to) {
  std::size_t i = 0;
  for (; i + Lanes::width <= count; i += Lanes::width) store(to + i, widen<Lanes>(from + i));
  for (; i < count; ++i) to[i] = static_cast<float>(from[i]);
  for (; i < padded; ++i) to[i] = 0.0f;
}

// ---- packing of b ------------------------------------------------------------------------------

/// to [unit][stride]: `unit` positions of `Lanes::width` columns of b, whose lines lie along the
/// depth.
template <class Lanes, bool full, class T>
ISOFLOP_INLINE void pack_square(const Operand<T>& b, std::size_t columns, std::size_t depth,
                                std::size_t position, std::size_t stride, float* to) {
  using Float = typename Lanes::Float;
  typename Lanes::Word square[Lanes::width];
  load_square<Lanes, full>(b, columns, depth, position, square);
  transpose<Lanes>(square);
#pragma GCC unroll 16
  for (int i = 0; i < Lanes::width; ++i) {
    if constexpr (std::is_same_v<T, float>) {
      store(to + i * stride, as<Float>(square[i]));
    } else {
      store(to + 2 * i * stride, as<Float>(square[i] << 16));
      store(to + (2 * i + 1) * stride, as<Float>(square[i] & 0xFFFF0000u));
    }
  }
}

/// to [depth rounded up][stride]: `Lanes::width` columns of b, whose lines lie along the depth.
template <class Lanes, class T>
void pack_transposed(const Operand<T>& b, std::size_t columns, std::size_t depth,
                     std::size_t stride, float* to) {
  constexpr std::size_t unit = sizeof(typename Lanes::Word) / sizeof(T);  // positions a square
  const std::size_t padded_depth = round_up(depth, kDepthStep);
  for (std::size_t position = 0; position < padded_depth; position += unit) {
    float* target = to + position * stride;
    if (columns >= Lanes::width && position + unit <= depth) {
      pack_square<Lanes, true>(b, columns, depth, position, stride, target);
    } else {
      pack_square<Lanes, false>(b, columns, depth, position, stride, target);
    }
  }
}

/// Columns that a panel holds: whole vectors, fewer of them in the last panel.
template <class Lanes>
std::size_t packed_columns(std::size_t columns_left) {
  return std::min<std::size_t>(kPanel<Lanes>, round_up(columns_left, Lanes::width));
}

template <class Lanes, class T, class Y>
void pack_panels(const BlockProduct<T, Y>& product, std::size_t first, std::size_t last,
                 std::byte* packed) {
  const std::size_t padded_depth = round_up(product.depth, kDepthStep);
  for (std::size_t panel = first; panel < last; ++panel) {
    const std::size_t left = panel * kPanel<Lanes>;
    const std::size_t columns = std::min<std::size_t>(kPanel<Lanes>, product.columns - left);
    const std::size_t stride = packed_columns<Lanes>(columns);
    float* to = reinterpret_cast<float*>(packed) + left * padded_depth;
    const Operand<T> b = product.b.from(left, 0);
    if (b.along == Contiguous::line) {
      for (std::size_t position = 0; position < product.depth; ++position) {
        expand<Lanes>(b.data + position * b.stride, columns, stride, to + position * stride);
      }
      std::fill(to + product.depth * stride, to + padded_depth * stride, 0.0f);
    } else {
      for (std::size_t column = 0; column < columns; column += Lanes::width) {
        pack_transposed<Lanes>(b.from(column, 0), columns - column, product.depth, stride,
                               to + column);
      }
    }
  }
}

// ---- the tile ----------------------------------------------------------------------------------

/// Floats of a as a tile reads them: rows along the depth.
struct ExpandedRows {
  const float* data;
  std::size_t stride;  // between rows
};

/// sums [rows][V] = sum over every second position of 32.
template <class Lanes, int V>
ISOFLOP_INLINE void sum_chain(const float* a, std::size_t row_stride, const float* b,
                              typename Lanes::Float (&sums)[Lanes::rows][V]) {
#pragma GCC unroll 8
  for (int i = 0; i < Lanes::rows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) sums[i][v] = typename Lanes::Float{};
  }
#pragma GCC unroll 1
  for (int position = 0; position < int(kDepthStep); position += 2) {
    typename Lanes::Float right[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      right[v] = load<typename Lanes::Float>(b + (position * V + v) * Lanes::width);
    }
#pragma GCC unroll 8
    for (int i = 0; i < Lanes::rows; ++i) {
      const auto left = Lanes::broadcast(a + i * row_stride + position);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sums[i][v] = Lanes::fma(left, right[v], sums[i][v]);
    }
  }
}

/// c [rows][V * width] = (fresh ? 0 : c) + steps * 32 positions of a b; at least one step.
template <class Lanes, int V>
[[gnu::noinline]] void multiply_tile(ExpandedRows rows, const float* b, float* c,
                                     std::size_t c_stride, std::size_t steps, bool fresh) {
  using Float = typename Lanes::Float;
  constexpr int columns = V * Lanes::width;
  const float* a = rows.data;
  Float even[Lanes::rows][V];
  for (; steps > 0; --steps) {
    Float sums[Lanes::rows][V];
    sum_chain<Lanes, V>(a, rows.stride, b, sums);
    std::memcpy(even, sums, sizeof even);
    // keep it in memory: the odd chain needs the registers
    asm volatile("" ::"r"(even) : "memory");
    sum_chain<Lanes, V>(a + 1, rows.stride, b + columns, sums);
#pragma GCC unroll 8
    for (int i = 0; i < Lanes::rows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        float* at = c + i * c_stride + v * Lanes::width;
        store(at, (fresh ? Float{} : load<Float>(at)) + (even[i][v] + sums[i][v]));
      }
    }
    fresh = false;
    a += kDepthStep;
    b += int(kDepthStep) * columns;
  }
}

using MultiplyTile = void (*)(ExpandedRows a, const float* b, float* c, std::size_t c_stride,
                              std::size_t steps, bool fresh);

/// The tile function of a panel of 1 + index vectors.
template <class Lanes, std::size_t... index>
constexpr std::array<MultiplyTile, sizeof...(index)> tile_functions(std::index_sequence<index...>) {
  return {multiply_tile<Lanes, int(index) + 1>...};
}

// ---- results -----------------------------------------------------------------------------------

/// Rounds to bf16 as bf16(float) does.
template <class Lanes>
ISOFLOP_INLINE typename Lanes::Half round_to_bf16(typename Lanes::Float value) {
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

/// One tile of results: where it begins in c, and how much of it lies inside.
template <class Y>
struct TileOfC {
  Y* c;
  std::size_t stride, rows, columns;
};

template <class Lanes>
ISOFLOP_INLINE void start_tile(const TileOfC<float>& at, std::size_t packed_columns, float* tile) {
  std::memset(tile, 0, Lanes::rows * packed_columns * sizeof(float));
  for (std::size_t i = 0; i < at.rows; ++i) {
    std::memcpy(tile + i * packed_columns, at.c + i * at.stride, at.columns * sizeof(float));
  }
}

template <class Lanes, class Y>
ISOFLOP_INLINE void finish_tile(const TileOfC<Y>& at, std::size_t packed_columns,
                                const float* tile) {
  for (std::size_t i = 0; i < at.rows; ++i) {
    write_row<Lanes>(tile + i * packed_columns, at.columns, at.c + i * at.stride);
  }
}

// ---- blocks ------------------------------------------------------------------------------------

/// to [width][kDepthBlock] = `Lanes::width` lines x as many positions of a, whose lines lie side by
/// side; zeros beyond `lines` and the depth.
template <class Lanes, class T>
ISOFLOP_INLINE void expand_transposed(const Operand<T>& a, std::size_t lines, std::size_t depth,
                                      float* to) {
  using Word = typename Lanes::Word;
  Word square[Lanes::width];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Lanes::width; ++i) {
    const T* from = a.data + i * a.stride;
    if (i < depth && lines >= Lanes::width) {
      square[i] = as<Word>(widen<Lanes>(from));
    } else {
      float partial[Lanes::width] = {};
      if (i < depth) expand<Lanes>(from, lines, lines, partial);
      square[i] = load<Word>(partial);
    }
  }
  transpose<Lanes>(square);
#pragma GCC unroll 16
  for (int i = 0; i < Lanes::width; ++i) store(to + i * kDepthBlock, square[i]);
}

/// to [kRowBlock][kDepthBlock] = rows x depth of a, filled with zeros to whole tiles and steps.
template <class Lanes, class T>
void expand_block(const Operand<T>& a, std::size_t rows, std::size_t depth, float* to) {
  const std::size_t padded_rows = round_up(rows, Lanes::rows);
  const std::size_t padded_depth = round_up(depth, kDepthStep);
  if (a.along == Contiguous::line) {
    for (std::size_t position = 0; position < padded_depth; position += Lanes::width) {
      const std::size_t left = depth > position ? depth - position : 0;
      for (std::size_t row = 0; row < padded_rows; row += Lanes::width) {
        expand_transposed<Lanes>(a.from(row, position), rows > row ? rows - row : 0, left,
                                 to + row * kDepthBlock + position);
      }
    }
    return;
  }
  for (std::size_t row = 0; row < rows; ++row) {
    expand<Lanes>(a.data + row * a.stride, depth, padded_depth, to + row * kDepthBlock);
  }
  for (std::size_t row = rows; row < padded_rows; ++row) {
    std::fill_n(to + row * kDepthBlock, padded_depth, 0.0f);
  }
}

/// The expanded block, or a itself where it already is one.
template <class Lanes, class T>
ExpandedRows rows_of_block(const Operand<T>& a, std::size_t rows, std::size_t depth, float* to) {
  if constexpr (std::is_same_v<T, float>) {
    const bool whole_tiles = rows % Lanes::rows == 0 && depth % kDepthStep == 0;
    if (a.along == Contiguous::depth && whole_tiles && a.stride <= kNearRows) {
      return {a.data, a.stride};
    }
  }
  expand_block<Lanes>(a, rows, depth, to);
  return {to, kDepthBlock};
}

/// The block of a that comes next, fetched into the second-level cache piece by piece while this
/// one is multiplied.
template <class T>
struct Ahead {
  const T* data;
  std::size_t stride;  // between pieces
  std::size_t pieces, length;

  /// Part `part` of `parts`.
  ISOFLOP_INLINE void fetch(std::size_t part, std::size_t parts) const {
    constexpr std::size_t kLine = 64 / sizeof(T);
    for (std::size_t i = pieces * part / parts; i < pieces * (part + 1) / parts; ++i) {
      for (std::size_t j = 0; j < length; j += kLine) {
        __builtin_prefetch(data + i * stride + j, 0, 2);
      }
    }
  }
};

/// What follows block (top, begin): further along the depth, or the next rows.
template <class T, class Y>
Ahead<T> ahead_of(const BlockProduct<T, Y>& product, std::size_t top, std::size_t begin) {
  begin += kDepthBlock;
  if (begin >= product.depth) {
    begin = 0;
    top += kRowBlock;
  }
  if (top >= product.rows) return {product.a.data, 0, 0, 0};
  const std::size_t rows = std::min<std::size_t>(kRowBlock, product.rows - top);
  const std::size_t depth = std::min<std::size_t>(kDepthBlock, product.depth - begin);
  const Operand<T> a = product.a.from(top, begin);
  if (a.along == Contiguous::depth) return {a.data, a.stride, rows, depth};
  return {a.data, a.stride, depth, rows};
}

/// Where the multiplication of one block stands along the depth.
struct DepthBlock {
  std::size_t begin, steps;
  bool first, last;
};

/// Fetches what will be written, while the tile is multiplied.
template <class Y>
ISOFLOP_INLINE void fetch_to_write(const TileOfC<Y>& at) {
  constexpr std::size_t kLine = 64 / sizeof(Y);
  for (std::size_t row = 0; row < at.rows; ++row) {
    for (std::size_t column = 0; column < at.columns; column += kLine) {
      __builtin_prefetch(at.c + row * at.stride + column, 1);
    }
  }
}

/// One tile at one block of the depth. Whole tiles of fp32 results with rows near each other are
/// summed where they belong, others in `tile` until the last block.
template <class Lanes, class Y>
ISOFLOP_INLINE void multiply_into(const TileOfC<Y>& c, const DepthBlock& at, bool accumulate,
                                  std::size_t packed_columns, MultiplyTile multiply, ExpandedRows a,
                                  const float* b, float* tile) {
  if constexpr (std::is_same_v<Y, float>) {
    const bool whole = c.rows == Lanes::rows && c.columns == packed_columns;
    if (whole && c.stride <= kNearRows) {
      return multiply(a, b, c.c, c.stride, at.steps, at.first && !accumulate);
    }
    if (at.first && accumulate) start_tile<Lanes>(c, packed_columns, tile);
  }
  multiply(a, b, tile, packed_columns, at.steps, at.first && !accumulate);
  if (at.last) finish_tile<Lanes>(c, packed_columns, tile);
}

/// All tiles of one block of rows at one block of the depth.
template <class Lanes, class T, class Y>
void multiply_block(const BlockProduct<T, Y>& block, const DepthBlock& at, const float* packed,
                    ExpandedRows a, const Ahead<T>& ahead, float* tiles) {
  constexpr auto functions = tile_functions<Lanes>(std::make_index_sequence<Lanes::vectors>());
  const std::size_t padded_depth = round_up(block.depth, kDepthStep);
  const std::size_t tiles_down = ceil_div(block.rows, Lanes::rows);
  const std::size_t all_tiles = tiles_down * ceil_div(block.columns, kPanel<Lanes>);
  std::size_t done = 0;
  for (std::size_t left = 0; left < block.columns; left += kPanel<Lanes>) {
    const std::size_t columns = std::min<std::size_t>(kPanel<Lanes>, block.columns - left);
    const std::size_t stride = packed_columns<Lanes>(columns);
    const MultiplyTile multiply = functions[stride / Lanes::width - 1];
    const float* b = packed + left * padded_depth + at.begin * stride;
    for (std::size_t row = 0; row < block.rows; row += Lanes::rows) {
      const TileOfC<Y> c{block.c + row * block.c_stride + left, block.c_stride,
                         std::min<std::size_t>(Lanes::rows, block.rows - row), columns};
      ahead.fetch(done++, all_tiles);
      // a depth of one block leaves nothing behind, so one tile that stays in cache serves all
      float* tile = at.first && at.last ? tiles : tiles + left * kRowBlock + row * stride;
      multiply_into<Lanes>(c, at, block.accumulate, stride, multiply,
                           {a.data + row * a.stride, a.stride}, b, tile);
    }
  }
}

template <class Lanes, class T, class Y>
[[gnu::noinline]] void multiply_rows(const BlockProduct<T, Y>& product, const float* packed,
                                     float* a, float* tiles) {
  for (std::size_t top = 0; top < product.rows; top += kRowBlock) {
    BlockProduct<T, Y> block = product;
    block.rows = std::min<std::size_t>(kRowBlock, product.rows - top);
    block.a = product.a.from(top, 0);
    block.c = product.c + top * product.c_stride;
    for (std::size_t begin = 0; begin < product.depth; begin += kDepthBlock) {
      const std::size_t depth = std::min<std::size_t>(kDepthBlock, product.depth - begin);
      const DepthBlock at{begin, ceil_div(depth, kDepthStep), begin == 0,
                          begin + depth == product.depth};
      const ExpandedRows rows = rows_of_block<Lanes>(block.a.from(0, begin), block.rows, depth, a);
      multiply_block<Lanes>(block, at, packed, rows, ahead_of(product, top, begin), tiles);
    }
  }
}

/// An empty depth.
template <class T, class Y>
void clear(const BlockProduct<T, Y>& product) {
  if (product.accumulate) return;
  for (std::size_t row = 0; row < product.rows; ++row) {
    std::fill_n(product.c + row * product.c_stride, product.columns, Y(0.0f));
  }
}

template <class Lanes, class T, class Y>
void multiply(const BlockProduct<T, Y>& product, const std::byte* packed, std::byte* scratch) {
  if (product.depth == 0) return clear(product);
  const FlushDenormals guard;
  float* a = reinterpret_cast<float*>(scratch);
  multiply_rows<Lanes>(product, reinterpret_cast<const float*>(packed), a,
                       a + kRowBlock * kDepthBlock);
}

template <class Lanes>
std::size_t column_block(std::size_t depth) {
  constexpr std::size_t kPackedBytes = 768 * 1024;
  const std::size_t columns = kPackedBytes / (sizeof(float) * round_up(depth + 1, kDepthStep));
  return std::clamp<std::size_t>(columns / kPanel<Lanes> * kPanel<Lanes>, 2 * kPanel<Lanes>, 1024);
}

template <class Lanes>
std::size_t packed_bytes(std::size_t columns, std::size_t depth) {
  return round_up(columns, Lanes::width) * round_up(depth, kDepthStep) * sizeof(float);
}

template <class Lanes>
std::size_t scratch_bytes(std::size_t columns, std::size_t depth) {
  const std::size_t kept = depth > kDepthBlock ? round_up(columns, kPanel<Lanes>) : kPanel<Lanes>;
  return kRowBlock * (kDepthBlock + kept) * sizeof(float);
}

template <class Lanes, class T, class Y>
constexpr BlockKernel<T, Y> vector_kernel() {
  return {kPanel<Lanes>,        Lanes::rows,          column_block<Lanes>,
          packed_bytes<Lanes>,  scratch_bytes<Lanes>, pack_panels<Lanes, T, Y>,
          multiply<Lanes, T, Y>};
}

}  // namespace
}  // namespace isoflop::kernels::cpu
