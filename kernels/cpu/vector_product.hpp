// The vector kernels behind block_product.hpp, one source for every width of vector. Included once
// by each file that is compiled for an instruction set; everything has internal linkage, so that
// the linker never merges code of one instruction set with that of another.
//
// Blocking: both operands become 32-bit words. b is packed in panels of Lanes::vectors vectors,
// laid out [word][column]. a is brought into blocks of kRowBlock rows x kDepthBlock positions,
// which stay in the second-level cache, or read where it lies if it is one already. All rows of a
// block pass `sweep` positions of a panel, then the next ones: the results of one panel stay near.
//
// Operands (float_operands.hpp, pair_operands.hpp) say what a word is:
//   words(positions)                            that a line of so many positions takes
//   pack_panel(b, columns, depth, stride, to)   to [words][stride], zeros beyond depth and columns
//   rows_of_block(a, rows, depth, to, stride)   the block, `stride` words for each line, with zeros
//                                               to whole tiles and steps
//   rows_of_tile(block, row, position)          where the lines of a tile begin in it
//   step_of_rows                                words of a line to its next 32 positions
//   sweep                                       positions
//   sums_in_registers                           while the depth passes extend(a, b, sums) if so: 32
//                                               further positions
//   extend_even, extend_odd (a, b, sums)        otherwise, for bf16: a chain of 32 positions
//
// Lanes, beside what vector_moves.hpp and write_row.hpp ask for:
//   widen(Half)           to Word, with zeros above, for bf16 that is expanded to floats
//   vectors, rows         shape of the tile
//   broadcast(p)          *p in every lane, for words of floats
//   multiply_add(a, b, c) c + a b, rounded once, for words of floats
//   add_pairs(p, b, c)    c + the products of the pairs of *p and b, for words of pairs
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
#include "kernels/cpu/write_row.hpp"

namespace isoflop::kernels::cpu {
namespace {

constexpr std::size_t kDepthBlock = 512;  // positions

/// Rows of a block: 192 KiB of words at the whole depth.
template <class Operands>
constexpr std::size_t kRowBlock = 96 * kDepthStep / Operands::words(kDepthStep);

template <class Lanes>
constexpr int kPanel = Lanes::vectors * Lanes::width;  // columns

/// Columns that a panel holds: whole vectors, fewer of them in the last panel.
template <class Lanes>
std::size_t packed_columns(std::size_t columns_left) {
  return std::min<std::size_t>(kPanel<Lanes>, round_up(columns_left, Lanes::width));
}

template <class Operands, class T, class Y>
void pack_panels(const BlockProduct<T, Y>& product, std::byte* packed) {
  using Lanes = typename Operands::Lanes;
  const std::size_t words = Operands::words(round_up(product.depth, kDepthStep));
  // columns that lie side by side are read along them
  const std::size_t run = product.b.along == Contiguous::line ? kDepthStep : product.depth;
  for (std::size_t position = 0; position < product.depth; position += run) {
    const std::size_t positions = std::min(run, product.depth - position);
    for (std::size_t left = 0; left < product.columns; left += kPanel<Lanes>) {
      const std::size_t columns = std::min<std::size_t>(kPanel<Lanes>, product.columns - left);
      const std::size_t stride = packed_columns<Lanes>(columns);
      Operands::pack_panel(
          product.b.from(left, position), columns, positions, stride,
          reinterpret_cast<float*>(packed) + left * words + Operands::words(position) * stride);
    }
  }
}

// ---- results -----------------------------------------------------------------------------------

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

/// Words for each row of a block: one vector more than it holds, so that rows do not share cache
/// sets.
template <class Operands>
constexpr std::size_t row_stride(std::size_t depth) {
  return Operands::words(round_up(std::min<std::size_t>(depth, kDepthBlock), kDepthStep)) +
         Operands::Lanes::width;
}

/// The block of a that follows block (top, begin), further along the depth or the next rows, to be
/// fetched in `steps` parts.
template <class Operands, class T, class Y>
Ahead ahead_of(const BlockProduct<T, Y>& product, std::size_t top, std::size_t begin,
               std::size_t steps) {
  begin += kDepthBlock;
  if (begin >= product.depth) {
    begin = 0;
    top += kRowBlock<Operands>;
  }
  if (top >= product.rows) return {nullptr, 0, 0, 0, 0};
  const std::size_t rows = std::min<std::size_t>(kRowBlock<Operands>, product.rows - top);
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

/// Fetches what will be written, and read first by a product that accumulates.
template <class Y>
ISOFLOP_INLINE void fetch_to_write(const TileOfC<Y>& at) {
  constexpr std::size_t kLine = 64 / sizeof(Y);
  for (std::size_t row = 0; row < at.rows; ++row) {
    for (std::size_t column = 0; column < at.columns; column += kLine) {
      __builtin_prefetch(at.c + row * at.stride + column, 1);
    }
  }
}

/// Whether a whole tile of results may be summed where it belongs. What is read and written every
/// 32 positions should lie together: rows far apart would share cache sets.
template <class Operands>
constexpr bool sums_in_place(std::size_t c_stride) {
  return Operands::sums_in_registers || c_stride <= 256;
}

/// One tile in one sweep: summed in c, or in `tile` until the last sweep.
template <class Operands, class Y>
ISOFLOP_INLINE void multiply_into(const TileOfC<Y>& c, const Sweep& at, bool accumulate,
                                  std::size_t packed_columns, MultiplyTile multiply, RowWords a,
                                  const float* b, float* tile, Ahead& ahead) {
  using Lanes = typename Operands::Lanes;
  const bool fresh = at.first && !accumulate;
  if constexpr (std::is_same_v<Y, float>) {
    const bool whole = c.rows == Lanes::rows && c.columns == packed_columns;
    if (whole && sums_in_place<Operands>(c.stride)) {
      return multiply(a, b, c.c, c.stride, at.positions, fresh, ahead);
    }
    if (at.first && accumulate) start_tile<Lanes>(c, packed_columns, tile);
  }
  multiply(a, b, tile, packed_columns, at.positions, fresh, ahead);
  if (at.last) finish_tile<Lanes>(c, packed_columns, tile);
}

/// The results of a panel from a row on: none beyond the last.
template <class Lanes, class T, class Y>
ISOFLOP_INLINE TileOfC<Y> tile_of(const BlockProduct<T, Y>& panel, std::size_t row) {
  const std::size_t rows = std::min<std::size_t>(Lanes::rows, lines_left(panel.rows, row));
  return {panel.c + row * panel.c_stride, panel.c_stride, rows, panel.columns};
}

/// All rows of a block and the columns of one panel.
template <class Operands, class T, class Y>
void multiply_panel(const BlockProduct<T, Y>& panel, const Sweep& block, const float* b, RowWords a,
                    Ahead& ahead, float* tiles) {
  using Lanes = typename Operands::Lanes;
  constexpr auto functions = tile_functions<Operands>(std::make_index_sequence<Lanes::vectors>());
  const std::size_t stride = packed_columns<Lanes>(panel.columns);
  const MultiplyTile multiply = functions[stride / Lanes::width - 1];
  for (std::size_t begin = 0; begin < block.positions; begin += Operands::sweep) {
    const std::size_t positions = std::min(Operands::sweep, block.positions - begin);
    const Sweep at{block.begin + begin, positions, block.first && begin == 0,
                   block.last && begin + positions == block.positions};
    const bool touches_c = at.last || (at.first && panel.accumulate);
    if (touches_c) fetch_to_write(tile_of<Lanes>(panel, 0));
    for (std::size_t row = 0; row < panel.rows; row += Lanes::rows) {
      if (touches_c) fetch_to_write(tile_of<Lanes>(panel, row + Lanes::rows));
      multiply_into<Operands>(tile_of<Lanes>(panel, row), at, panel.accumulate, stride, multiply,
                              Operands::rows_of_tile(a, row, begin),
                              b + Operands::words(begin) * stride, tiles + row * stride, ahead);
    }
  }
}

/// All panels of a block of rows at one block of the depth.
template <class Operands, class T, class Y>
void multiply_block(const BlockProduct<T, Y>& block, const Sweep& at, const float* packed,
                    RowWords a, Ahead ahead, float* tiles) {
  using Lanes = typename Operands::Lanes;
  const std::size_t words = Operands::words(round_up(block.depth, kDepthStep));
  for (std::size_t left = 0; left < block.columns; left += kPanel<Lanes>) {
    BlockProduct<T, Y> panel = block;
    panel.columns = std::min<std::size_t>(kPanel<Lanes>, block.columns - left);
    panel.c = block.c + left;
    const std::size_t stride = packed_columns<Lanes>(panel.columns);
    // a depth of one block leaves nothing behind, so tiles of one panel serve all
    multiply_panel<Operands>(panel, at, packed + left * words + Operands::words(at.begin) * stride,
                             a, ahead,
                             at.first && at.last ? tiles : tiles + left * kRowBlock<Operands>);
  }
}

template <class Operands, class T, class Y>
[[gnu::noinline]] void multiply_rows(const BlockProduct<T, Y>& product, const float* packed,
                                     float* a, float* tiles) {
  using Lanes = typename Operands::Lanes;
  const std::size_t stride = row_stride<Operands>(product.depth);
  for (std::size_t top = 0; top < product.rows; top += kRowBlock<Operands>) {
    BlockProduct<T, Y> block = product;
    block.rows = std::min<std::size_t>(kRowBlock<Operands>, product.rows - top);
    block.a = product.a.from(top, 0);
    block.c = product.c + top * product.c_stride;
    for (std::size_t begin = 0; begin < product.depth; begin += kDepthBlock) {
      const std::size_t depth = std::min<std::size_t>(kDepthBlock, product.depth - begin);
      const Sweep at{begin, round_up(depth, kDepthStep), begin == 0,
                     begin + depth == product.depth};
      const std::size_t steps = ceil_div(block.rows, Lanes::rows) *
                                ceil_div(block.columns, kPanel<Lanes>) *
                                (at.positions / kDepthStep);
      multiply_block<Operands>(
          block, at, packed,
          Operands::rows_of_block(block.a.from(0, begin), block.rows, depth, a, stride),
          ahead_of<Operands>(product, top, begin, steps), tiles);
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

template <class Operands, class T, class Y>
void multiply(const BlockProduct<T, Y>& product, const std::byte* packed, std::byte* scratch) {
  if (product.depth == 0) return clear(product);
  const FlushDenormals guard;
  float* a = reinterpret_cast<float*>(scratch);
  multiply_rows<Operands>(product, reinterpret_cast<const float*>(packed), a,
                          a + kRowBlock<Operands> * row_stride<Operands>(product.depth));
}

template <class Operands>
std::size_t column_block(std::size_t depth) {
  constexpr std::size_t kPackedBytes = std::size_t{768} * 1024;
  constexpr std::size_t panel = kPanel<typename Operands::Lanes>;
  const std::size_t words = Operands::words(round_up(std::max<std::size_t>(depth, 1), kDepthStep));
  const std::size_t columns = kPackedBytes / (sizeof(float) * words);
  return std::clamp<std::size_t>(columns / panel * panel, 2 * panel, 1024);
}

template <class Operands>
std::size_t packed_bytes(std::size_t columns, std::size_t depth) {
  return round_up(columns, Operands::Lanes::width) * Operands::words(round_up(depth, kDepthStep)) *
         sizeof(float);
}

template <class Operands>
std::size_t scratch_bytes(std::size_t columns, std::size_t depth) {
  constexpr std::size_t panel = kPanel<typename Operands::Lanes>;
  const std::size_t kept = depth > kDepthBlock ? round_up(columns, panel) : panel;
  return kRowBlock<Operands> * (row_stride<Operands>(depth) + kept) * sizeof(float);
}

template <class Operands, class Y>
constexpr BlockKernel<typename Operands::Element, Y> vector_kernel() {
  using Lanes = typename Operands::Lanes;
  using T = typename Operands::Element;
  static_assert(kRowBlock<Operands> % Lanes::rows == 0 && kRowBlock<Operands> % Lanes::width == 0);
  static_assert(kDepthBlock % Operands::sweep == 0);
  return {kPanel<Lanes>,           Lanes::rows,
          column_block<Operands>,  packed_bytes<Operands>,
          scratch_bytes<Operands>, pack_panels<Operands, T, Y>,
          multiply<Operands, T, Y>};
}

}  // namespace
}  // namespace isoflop::kernels::cpu
