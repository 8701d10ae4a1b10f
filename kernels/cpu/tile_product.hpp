// The tile kernel behind block_product.hpp for bf16, written once for the processor's tiles and for
// a software model of them. Included once by each file that is compiled for an instruction set;
// everything has internal linkage.
//
// A step multiplies 32 x 32 results by 32 positions of the depth: tiles 0 to 3 hold the results, 4
// and 5 two times 16 rows of a (32 positions each), 6 and 7 two times 16 columns of b (16 rows of
// pairs of positions). b is packed in such tiles and streams past the first-level cache, in which
// 32 rows x kDepthBlock of a stay. a is read where it lies if its rows lie along the depth and fill
// the tiles, else it is packed once for 32 rows. Results that need conversion wait in a buffer and
// are converted a few rows a step while the next 32 x 32 are multiplied, because the tile unit and
// the vector units work side by side.
//
// Tiles (constructed: configured, destroyed: released):
//   zero<t>()
//   load<t>(from, stride)  stream<t>(from, stride)  store<t>(to, stride)   stride in bytes
//   multiply<c, a, b>()                                                    c += a b
//   Lanes                                   vectors for packing and results, see write_row.hpp
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/block_product.hpp"
#include "kernels/cpu/pair_square.hpp"
#include "kernels/cpu/write_row.hpp"

namespace isoflop::kernels::cpu {
namespace {

constexpr std::size_t kTileRows = 16;
constexpr std::size_t kTileRowBytes = 64;
constexpr std::size_t kTileBytes = kTileRows * kTileRowBytes;
constexpr std::size_t kSide = 2 * kTileRows;        // rows and columns of a block of results
constexpr std::size_t kStepBytes = 2 * kTileBytes;  // an operand's two tiles for 32 positions
constexpr std::size_t kTileDepthBlock = 512;        // positions
constexpr std::size_t kBlockFloats = kSide * kSide;
static_assert(kTileDepthBlock % kDepthStep == 0);

// ---- packing -----------------------------------------------------------------------------------

/// One tile from 16 lines and 32 positions: a (rows are lines) as [16 lines][32 positions], b as
/// [16 pairs of positions][16 lines][2].
template <class Lanes, SquareRow row>
void pack_tile(const Operand<bf16>& from, std::size_t lines, std::size_t depth,
               std::size_t position, std::byte* tile) {
  for (std::size_t line = 0; line < kTileRows; line += Lanes::width) {
    for (std::size_t pair = 0; pair < kTileRows; pair += Lanes::width) {
      const std::size_t down = row == SquareRow::line ? line : pair;
      const std::size_t right = row == SquareRow::line ? pair : line;
      pack_pair_square<Lanes, AdjacentPairs, row>(
          from.from(line, 0), lines_left(lines, line), depth, position + 2 * pair,
          tile + down * kTileRowBytes + right * sizeof(std::uint32_t),
          kTileRowBytes / sizeof(std::uint32_t));
    }
  }
}

template <class Tiles, class Y>
void pack_tile_panels(const BlockProduct<bf16, Y>& product, std::byte* packed) {
  const std::size_t steps = ceil_div(product.depth, kDepthStep);
  for (std::size_t panel = 0; panel < ceil_div(product.columns, kSide); ++panel) {
    for (std::size_t step = 0; step < steps; ++step) {
      for (std::size_t half = 0; half < 2; ++half) {
        const std::size_t column = panel * kSide + half * kTileRows;
        pack_tile<typename Tiles::Lanes, SquareRow::word>(
            product.b.from(column, 0), lines_left(product.columns, column), product.depth,
            step * kDepthStep, packed + (panel * steps + step) * kStepBytes + half * kTileBytes);
      }
    }
  }
}

// ---- operands and results ----------------------------------------------------------------------

/// 32 rows of a as tiles.
struct RowsOfA {
  const std::byte* data;
  std::size_t row_bytes;   // between rows of a tile
  std::size_t step_bytes;  // between steps along the depth
};

template <class Tiles, class Y>
RowsOfA rows_of_a(const BlockProduct<bf16, Y>& block, std::byte* packed) {
  if (block.a.along == Contiguous::depth && block.rows == kSide && block.depth % kDepthStep == 0) {
    return {reinterpret_cast<const std::byte*>(block.a.data), block.a.stride * sizeof(bf16),
            kTileRowBytes};
  }
  for (std::size_t step = 0; step < ceil_div(block.depth, kDepthStep); ++step) {
    for (std::size_t half = 0; half < 2; ++half) {
      const std::size_t row = half * kTileRows;
      pack_tile<typename Tiles::Lanes, SquareRow::line>(
          block.a.from(row, 0), lines_left(block.rows, row), block.depth, step * kDepthStep,
          packed + step * kStepBytes + half * kTileBytes);
    }
  }
  return {packed, kTileRowBytes, kStepBytes};
}

/// 32 x 32 sums on their way from a buffer to c, a few rows at a time.
template <class Tiles, class Y>
class Pending {
 public:
  void start(const float* from, Y* to, std::size_t stride, std::size_t rows, std::size_t columns) {
    from_ = from;
    to_ = to;
    stride_ = stride;
    rows_left_ = rows;
    columns_ = columns;
  }

  ISOFLOP_INLINE void write(std::size_t rows) {
    for (rows = std::min(rows, rows_left_); rows > 0; --rows) write_row();
  }

 private:
  ISOFLOP_INLINE void write_row() {
    cpu::write_row<typename Tiles::Lanes>(from_, columns_, to_);
    from_ += kSide;
    to_ += stride_;
    --rows_left_;
  }

  const float* from_ = nullptr;
  Y* to_ = nullptr;
  std::size_t stride_ = 0, rows_left_ = 0, columns_ = 0;
};

// ---- multiplication ----------------------------------------------------------------------------

template <class Tiles>
ISOFLOP_INLINE void load_sums(Tiles& tiles, const float* from, std::size_t stride) {
  const std::size_t bytes = stride * sizeof(float);
  tiles.template load<0>(from, bytes);
  tiles.template load<1>(from + kTileRows, bytes);
  tiles.template load<2>(from + kTileRows * stride, bytes);
  tiles.template load<3>(from + kTileRows * stride + kTileRows, bytes);
}

template <class Tiles>
ISOFLOP_INLINE void store_sums(Tiles& tiles, float* to, std::size_t stride) {
  const std::size_t bytes = stride * sizeof(float);
  tiles.template store<0>(to, bytes);
  tiles.template store<1>(to + kTileRows, bytes);
  tiles.template store<2>(to + kTileRows * stride, bytes);
  tiles.template store<3>(to + kTileRows * stride + kTileRows, bytes);
}

template <class Tiles>
ISOFLOP_INLINE void multiply_step(Tiles& tiles, const std::byte* a, std::size_t row_bytes,
                                  const std::byte* b) {
  tiles.template stream<6>(b, kTileRowBytes);
  tiles.template load<4>(a, row_bytes);
  tiles.template stream<7>(b + kTileBytes, kTileRowBytes);
  tiles.template multiply<0, 4, 6>();
  tiles.template load<5>(a + kTileRows * row_bytes, row_bytes);
  tiles.template multiply<1, 4, 7>();
  tiles.template multiply<2, 5, 6>();
  tiles.template multiply<3, 5, 7>();
}

/// Rows of the a that comes next, fetched into the second-level cache a line a step.
struct RowsAhead {
  const std::byte* data;
  std::size_t row_bytes;
  std::size_t first, last;  // rows

  ISOFLOP_INLINE void fetch(std::size_t offset) const {
    for (std::size_t row = first; row < last; ++row) {
      __builtin_prefetch(data + row * row_bytes + offset, 0, 2);
    }
  }
};

/// The multiplication of 32 rows: all columns for one block of the depth after the other.
template <class Tiles, class Y>
class RowMultiplier {
 public:
  RowMultiplier(Tiles& tiles, std::byte* scratch, std::size_t depth)
      : tiles_(tiles),
        packed_a_(scratch),
        buffers_(reinterpret_cast<float*>(scratch + ceil_div(depth, kDepthStep) * kStepBytes)),
        kept_(buffers_ + 2 * kBlockFloats) {}

  /// c (+)= a b for `block`, of at most 32 rows; `more`: 32 further rows follow in memory.
  void multiply(const BlockProduct<bf16, Y>& block, const std::byte* packed_b, bool more) {
    const RowsOfA a = rows_of_a<Tiles>(block, packed_a_);
    const bool in_place = a.data != packed_a_;
    const std::size_t steps = ceil_div(block.depth, kDepthStep);
    const std::size_t panels = ceil_div(block.columns, kSide);
    constexpr std::size_t kSteps = kTileDepthBlock / kDepthStep;
    std::size_t begin = 0;
    do {  // once even for an empty depth: c must be written
      const std::size_t end = std::min(begin + kSteps, steps);
      for (std::size_t panel = 0; panel < panels; ++panel) {
        const std::size_t fetched = more && in_place ? kSide : 0;
        const RowsAhead ahead{a.data + kSide * a.row_bytes, a.row_bytes, fetched * panel / panels,
                              fetched * (panel + 1) / panels};
        load_block(block, panel * kSide, begin == 0);
        multiply_steps(a, packed_b + panel * steps * kStepBytes, begin, end, ahead);
        store_block(block, panel * kSide, end == steps);
      }
      begin = end;
    } while (begin < steps);
  }

  void finish() { pending_.write(kSide); }

 private:
  void multiply_steps(const RowsOfA& a, const std::byte* b, std::size_t begin, std::size_t end,
                      const RowsAhead& ahead) {
    const std::size_t rows_a_step = end > begin ? ceil_div(kSide, end - begin) : kSide;
    for (std::size_t step = begin; step < end; ++step) {
      multiply_step(tiles_, a.data + step * a.step_bytes, a.row_bytes, b + step * kStepBytes);
      ahead.fetch(step * a.step_bytes);
      pending_.write(rows_a_step);
    }
    pending_.write(kSide);
  }

  void load_block(const BlockProduct<bf16, Y>& block, std::size_t left, bool first) {
    if (!first) return load_sums(tiles_, kept_ + left * kSide, kSide);
    if constexpr (std::is_same_v<Y, float>) {
      if (block.accumulate) return load_c(block, left);
    }
    tiles_.template zero<0>();
    tiles_.template zero<1>();
    tiles_.template zero<2>();
    tiles_.template zero<3>();
  }

  void load_c(const BlockProduct<bf16, float>& block, std::size_t left) {
    const float* c = block.c + left;
    if (is_full(block, left)) return load_sums(tiles_, c, block.c_stride);
    float* buffer = buffers_ + (buffer_ ^ 1) * kBlockFloats;  // the other one may be pending
    std::memset(buffer, 0, kBlockFloats * sizeof(float));
    const std::size_t columns = std::min(kSide, block.columns - left);
    for (std::size_t row = 0; row < block.rows; ++row) {
      std::memcpy(buffer + row * kSide, c + row * block.c_stride, columns * sizeof(float));
    }
    load_sums(tiles_, buffer, kSide);
  }

  void store_block(const BlockProduct<bf16, Y>& block, std::size_t left, bool last) {
    if (!last) return store_sums(tiles_, kept_ + left * kSide, kSide);
    if constexpr (std::is_same_v<Y, float>) {
      if (is_full(block, left)) return store_sums(tiles_, block.c + left, block.c_stride);
    }
    buffer_ ^= 1;
    float* buffer = buffers_ + buffer_ * kBlockFloats;
    store_sums(tiles_, buffer, kSide);
    pending_.start(buffer, block.c + left, block.c_stride, block.rows,
                   std::min(kSide, block.columns - left));
  }

  static bool is_full(const BlockProduct<bf16, Y>& block, std::size_t left) {
    return block.rows == kSide && block.columns - left >= kSide;
  }

  Tiles& tiles_;
  std::byte* packed_a_;
  float* buffers_;          // two blocks
  float* kept_;             // a block a panel, between blocks of the depth
  std::size_t buffer_ = 0;  // the one stored last
  Pending<Tiles, Y> pending_;
};

template <class Tiles, class Y>
void multiply_with_tiles(const BlockProduct<bf16, Y>& product, const std::byte* packed,
                         std::byte* scratch) {
  Tiles tiles;
  RowMultiplier<Tiles, Y> multiplier(tiles, scratch, product.depth);
  for (std::size_t top = 0; top < product.rows; top += kSide) {
    BlockProduct<bf16, Y> block = product;
    block.rows = std::min(kSide, product.rows - top);
    block.a = product.a.from(top, 0);
    block.c = product.c + top * product.c_stride;
    multiplier.multiply(block, packed, product.rows - top >= 2 * kSide);
  }
  multiplier.finish();
}

inline std::size_t tile_column_block(std::size_t depth) {
  constexpr std::size_t kPackedBytes = std::size_t{1024} * 1024;
  const std::size_t panels =
      kPackedBytes / (kStepBytes * ceil_div(std::max<std::size_t>(depth, 1), kDepthStep));
  return std::max<std::size_t>(panels, 2) * kSide;
}

inline std::size_t tile_packed_bytes(std::size_t columns, std::size_t depth) {
  return ceil_div(columns, kSide) * ceil_div(depth, kDepthStep) * kStepBytes;
}

inline std::size_t tile_scratch_bytes(std::size_t columns, std::size_t depth) {
  const std::size_t kept = depth > kTileDepthBlock ? ceil_div(columns, kSide) : 0;
  return ceil_div(depth, kDepthStep) * kStepBytes + (2 + kept) * kBlockFloats * sizeof(float);
}

template <class Tiles, class Y>
constexpr BlockKernel<bf16, Y> make_tile_kernel() {
  return {kSide,
          kSide,
          tile_column_block,
          tile_packed_bytes,
          tile_scratch_bytes,
          pack_tile_panels<Tiles, Y>,
          multiply_with_tiles<Tiles, Y>};
}

}  // namespace
}  // namespace isoflop::kernels::cpu
