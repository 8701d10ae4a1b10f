// The vector kernels behind block_product.hpp, one source for every width of vector. Included once
// by each file that is compiled for an instruction set; everything has internal linkage, so that
// the linker never merges code of one instruction set with that of another.
//
// Blocking: b is packed in panels of Lanes::vectors vectors, expanded to fp32 and laid out
// [position][column]. a is expanded to fp32 in blocks of kRowBlock rows x kDepthBlock positions,
// which stay in the second-level cache, or read where it lies if it is one already. All rows of a
// block pass kSweep positions of a panel, then the next kSweep: the results of one panel stay near.
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
#include "kernels/cpu/vector_tile.hpp"

namespace isoflop::kernels::cpu {
namespace {

constexpr std::size_t kRowBlock = 96;     // a multiple of every Lanes::rows and width
constexpr std::size_t kDepthBlock = 512;  // a multiple of every kSweep

/// Positions of a panel that all rows of a block pass before the next ones.
template <class T>
constexpr std::size_t kSweep = std::is_same_v<T, float> ? 256 : 128;

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
      store(to + std::size_t{2} * i * stride, as<Float>(square[i] << 16));
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

// ---- results -----------------------------------------------------------------------------------

/// Rounds to bf16 as bf16(float) does; a NaN keeps its payload, made quiet.
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

/// Floats between the rows of an expanded block: one vector more than it holds, so that rows do not
/// share cache sets.
template <class Lanes>
constexpr std::size_t expanded_stride(std::size_t depth) {
  return round_up(std::min<std::size_t>(depth, kDepthBlock), kDepthStep) + Lanes::width;
}

/// to [width][stride] = `Lanes::width` lines x as many positions of a, whose lines lie side by
/// side. Unless `full`, zeros beyond `lines` and the depth.
template <class Lanes, bool full, class T>
ISOFLOP_INLINE void expand_transposed(const Operand<T>& a, std::size_t lines, std::size_t depth,
                                      float* to, std::size_t stride) {
  using Word = typename Lanes::Word;
  Word square[Lanes::width];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < Lanes::width; ++i) {
    const T* from = a.data + i * a.stride;
    if constexpr (full) {
      square[i] = as<Word>(widen<Lanes>(from));
    } else {
      float partial[Lanes::width] = {};
      if (i < depth) expand<Lanes>(from, std::min<std::size_t>(lines, Lanes::width), 0, partial);
      square[i] = load<Word>(partial);
    }
  }
  transpose<Lanes>(square);
#pragma GCC unroll 16
  for (int i = 0; i < Lanes::width; ++i) store(to + i * stride, square[i]);
}

/// The same for all rows and positions of a block, filled with zeros to whole tiles and steps.
template <class Lanes, class T>
void expand_block_transposed(const Operand<T>& a, std::size_t rows, std::size_t depth, float* to,
                             std::size_t stride) {
  const std::size_t padded_rows = round_up(rows, Lanes::rows);
  const std::size_t padded_depth = round_up(depth, kDepthStep);
  for (std::size_t position = 0; position < padded_depth; position += Lanes::width) {
    const std::size_t positions = depth > position ? depth - position : 0;
    for (std::size_t row = 0; row < padded_rows; row += Lanes::width) {
      const std::size_t lines = rows > row ? rows - row : 0;
      const Operand<T> from = a.from(row, position);
      float* target = to + row * stride + position;
      if (lines >= Lanes::width && positions >= Lanes::width) {
        expand_transposed<Lanes, true>(from, lines, positions, target, stride);
      } else {
        expand_transposed<Lanes, false>(from, lines, positions, target, stride);
      }
    }
  }
}

/// to [kRowBlock][stride] = rows x depth of a, filled with zeros to whole tiles and steps.
template <class Lanes, class T>
void expand_block(const Operand<T>& a, std::size_t rows, std::size_t depth, float* to,
                  std::size_t stride) {
  if (a.along == Contiguous::line) {
    expand_block_transposed<Lanes>(a, rows, depth, to, stride);
    return;
  }
  const std::size_t padded_rows = round_up(rows, Lanes::rows);
  const std::size_t padded_depth = round_up(depth, kDepthStep);
  for (std::size_t row = 0; row < rows; ++row) {
    expand<Lanes>(a.data + row * a.stride, depth, padded_depth, to + row * stride);
  }
  for (std::size_t row = rows; row < padded_rows; ++row) {
    std::fill_n(to + row * stride, padded_depth, 0.0f);
  }
}

/// The expanded block, or a itself where it already is one.
template <class Lanes, class T>
ExpandedRows rows_of_block(const Operand<T>& a, std::size_t rows, std::size_t depth, float* to,
                           std::size_t stride) {
  if constexpr (std::is_same_v<T, float>) {
    const bool whole_tiles = rows % Lanes::rows == 0 && depth % kDepthStep == 0;
    if (a.along == Contiguous::depth && whole_tiles) return {a.data, a.stride};
  }
  expand_block<Lanes>(a, rows, depth, to, stride);
  return {to, stride};
}

/// The block of a that follows block (top, begin), further along the depth or the next rows, to be
/// fetched in `steps` parts.
template <class T, class Y>
Ahead ahead_of(const BlockProduct<T, Y>& product, std::size_t top, std::size_t begin,
               std::size_t steps) {
  begin += kDepthBlock;
  if (begin >= product.depth) {
    begin = 0;
    top += kRowBlock;
  }
  if (top >= product.rows) return {nullptr, 0, 0, 0, 0};
  const std::size_t rows = std::min<std::size_t>(kRowBlock, product.rows - top);
  const std::size_t depth = std::min<std::size_t>(kDepthBlock, product.depth - begin);
  const Operand<T> a = product.a.from(top, begin);
  const bool along_depth = a.along == Contiguous::depth;
  const std::size_t length = sizeof(T) * (along_depth ? depth : rows);
  const std::size_t pieces = along_depth ? rows : depth;
  return {reinterpret_cast<const std::byte*>(a.data), sizeof(T) * a.stride, length, pieces,
          ceil_div(pieces * ceil_div(length, 64), steps)};
}

/// Where a sweep over the rows of a block stands along the depth.
struct Sweep {
  std::size_t begin, positions;
  bool first, last;
};

/// Fetches what will be written.
template <class Y>
ISOFLOP_INLINE void fetch_to_write(const TileOfC<Y>& at) {
  constexpr std::size_t kLine = 64 / sizeof(Y);
  for (std::size_t row = 0; row < at.rows; ++row) {
    for (std::size_t column = 0; column < at.columns; column += kLine) {
      __builtin_prefetch(at.c + row * at.stride + column, 1);
    }
  }
}

/// Whether a whole tile of results may be summed where it belongs. Sums of bf16 products are read
/// and written every 32 positions: rows far apart would share cache sets.
template <class T, class Y>
constexpr bool sums_in_place(std::size_t c_stride) {
  return std::is_same_v<Y, float> && (std::is_same_v<T, float> || c_stride <= 256);
}

/// One tile in one sweep: summed in c, or in `tile` until the last sweep.
template <class Lanes, class T, class Y>
ISOFLOP_INLINE void multiply_into(const TileOfC<Y>& c, const Sweep& at, bool accumulate,
                                  std::size_t packed_columns, MultiplyTile multiply, ExpandedRows a,
                                  const float* b, float* tile, Ahead& ahead) {
  const bool fresh = at.first && !accumulate;
  if (at.last) fetch_to_write(c);
  if constexpr (std::is_same_v<Y, float>) {
    const bool whole = c.rows == Lanes::rows && c.columns == packed_columns;
    if (whole && sums_in_place<T, Y>(c.stride)) {
      return multiply(a, b, c.c, c.stride, at.positions, fresh, ahead);
    }
    if (at.first && accumulate) start_tile<Lanes>(c, packed_columns, tile);
  }
  multiply(a, b, tile, packed_columns, at.positions, fresh, ahead);
  if (at.last) finish_tile<Lanes>(c, packed_columns, tile);
}

/// All rows of a block and the columns of one panel.
template <class Lanes, class T, class Y>
void multiply_panel(const BlockProduct<T, Y>& panel, const Sweep& block, const float* b,
                    ExpandedRows a, Ahead& ahead, float* tiles) {
  constexpr auto functions = tile_functions<Lanes, T>(std::make_index_sequence<Lanes::vectors>());
  const std::size_t stride = packed_columns<Lanes>(panel.columns);
  const MultiplyTile multiply = functions[stride / Lanes::width - 1];
  for (std::size_t begin = 0; begin < block.positions; begin += kSweep<T>) {
    const std::size_t positions = std::min(kSweep<T>, block.positions - begin);
    const Sweep at{block.begin + begin, positions, block.first && begin == 0,
                   block.last && begin + positions == block.positions};
    for (std::size_t row = 0; row < panel.rows; row += Lanes::rows) {
      const TileOfC<Y> c{panel.c + row * panel.c_stride, panel.c_stride,
                         std::min<std::size_t>(Lanes::rows, panel.rows - row), panel.columns};
      multiply_into<Lanes, T>(c, at, panel.accumulate, stride, multiply,
                              {a.data + row * a.stride + begin, a.stride}, b + begin * stride,
                              tiles + row * stride, ahead);
    }
  }
}

/// All panels of a block of rows at one block of the depth.
template <class Lanes, class T, class Y>
void multiply_block(const BlockProduct<T, Y>& block, const Sweep& at, const float* packed,
                    ExpandedRows a, Ahead ahead, float* tiles) {
  const std::size_t padded_depth = round_up(block.depth, kDepthStep);
  for (std::size_t left = 0; left < block.columns; left += kPanel<Lanes>) {
    BlockProduct<T, Y> panel = block;
    panel.columns = std::min<std::size_t>(kPanel<Lanes>, block.columns - left);
    panel.c = block.c + left;
    const std::size_t stride = packed_columns<Lanes>(panel.columns);
    // a depth of one block leaves nothing behind, so tiles of one panel serve all
    multiply_panel<Lanes>(panel, at, packed + left * padded_depth + at.begin * stride, a, ahead,
                          at.first && at.last ? tiles : tiles + left * kRowBlock);
  }
}

template <class Lanes, class T, class Y>
[[gnu::noinline]] void multiply_rows(const BlockProduct<T, Y>& product, const float* packed,
                                     float* a, float* tiles) {
  const std::size_t stride = expanded_stride<Lanes>(product.depth);
  for (std::size_t top = 0; top < product.rows; top += kRowBlock) {
    BlockProduct<T, Y> block = product;
    block.rows = std::min<std::size_t>(kRowBlock, product.rows - top);
    block.a = product.a.from(top, 0);
    block.c = product.c + top * product.c_stride;
    for (std::size_t begin = 0; begin < product.depth; begin += kDepthBlock) {
      const std::size_t depth = std::min<std::size_t>(kDepthBlock, product.depth - begin);
      const Sweep at{begin, round_up(depth, kDepthStep), begin == 0,
                     begin + depth == product.depth};
      const std::size_t steps = ceil_div(block.rows, Lanes::rows) *
                                ceil_div(block.columns, kPanel<Lanes>) *
                                (at.positions / kDepthStep);
      multiply_block<Lanes>(
          block, at, packed,
          rows_of_block<Lanes>(block.a.from(0, begin), block.rows, depth, a, stride),
          ahead_of(product, top, begin, steps), tiles);
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
                       a + kRowBlock * expanded_stride<Lanes>(product.depth));
}

template <class Lanes>
std::size_t column_block(std::size_t depth) {
  constexpr std::size_t kPackedBytes = std::size_t{768} * 1024;
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
  return kRowBlock * (expanded_stride<Lanes>(depth) + kept) * sizeof(float);
}

template <class Lanes, class T, class Y>
constexpr BlockKernel<T, Y> vector_kernel() {
  return {kPanel<Lanes>,        Lanes::rows,          column_block<Lanes>,
          packed_bytes<Lanes>,  scratch_bytes<Lanes>, pack_panels<Lanes, T, Y>,
          multiply<Lanes, T, Y>};
}

}  // namespace
}  // namespace isoflop::kernels::cpu
