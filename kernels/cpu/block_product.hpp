// Products of matrix blocks on one thread: what matmul is made of, and what a fused kernel
// (attention) calls on blocks that stay in cache.
//
//   c [rows, columns] (+)= sum over depth of a (row, position) b (column, position)
//
// Both operands are given as lines along the depth, so that any transposition is a choice of
// `along`. The right one is packed first, for use with any number of left ones; the left one is
// read as it lies. No memory is allocated: the caller owns `packed` and `scratch` (sizes from the
// kernel, aligned to 64 bytes).
//
//   const auto& kernel = block_kernel<bf16, float>(best_instruction_set());
//   const BlockProduct<bf16, float> product{rows, columns, depth, a, b, c, c_stride, false};
//   kernel.pack(product, packed);
//   kernel.multiply(product, packed, scratch);
//
// For bf16 each result is (((c + s0) + s1) + ...) in fp32, s_i the sum over 32 consecutive
// positions of the depth: two chains of fused multiply-adds that start at zero, one over the even
// and one over the odd positions, then even + odd. Denormals count as zero. A depth that is no
// multiple of 32 is filled with zeros. This is what the tile unit (TDPBF16PS) computes; a product
// of pairs (VDPBF16PS) is two links of such a chain. For float, which no such unit binds, each
// result is one chain of fused multiply-adds from c on. So every instruction set gives the same
// bits, and a depth split at multiples of 32 gives those of the whole.
#pragma once

#include <cstddef>

#include "core/bf16.hpp"
#include "core/integers.hpp"
#include "kernels/cpu/instruction_set.hpp"

namespace isoflop::kernels::cpu {

inline constexpr std::size_t kDepthStep = 32;  // positions summed into one s_i

/// Which neighbours of an element lie next to it in memory.
enum class Contiguous { depth, line };

template <class T>
struct Operand {
  const T* data;
  std::size_t stride;  // elements between lines (Contiguous::depth) or positions (line)
  Contiguous along;

  /// The operand without its first lines and positions.
  Operand from(std::size_t line, std::size_t position) const {
    const std::size_t offset =
        along == Contiguous::depth ? line * stride + position : position * stride + line;
    return {data + offset, stride, along};
  }
};

/// T is float or bf16, Y is T or float. `accumulate` needs Y = float.
template <class T, class Y>
struct BlockProduct {
  std::size_t rows;
  std::size_t columns;
  std::size_t depth;
  Operand<T> a;          // lines are rows
  Operand<T> b;          // lines are columns
  Y* c;                  // [rows, c_stride]
  std::size_t c_stride;  // at least columns
  bool accumulate;       // c += rather than c =
};

template <class T, class Y>
struct BlockKernel {
  std::size_t panel_columns;  // columns packed together
  std::size_t row_step;       // rows computed together: split rows at multiples of it

  /// The largest number of columns (a multiple of panel_columns) whose packed form stays in the
  /// second-level cache.
  std::size_t (*column_block)(std::size_t depth);

  std::size_t (*packed_bytes)(std::size_t columns, std::size_t depth);
  std::size_t (*scratch_bytes)(std::size_t columns, std::size_t depth);

  /// Packs all columns of b.
  void (*pack)(const BlockProduct<T, Y>& product, std::byte* packed);

  /// c (+)= a b for all rows of `product`, with what pack() made of b.
  void (*multiply)(const BlockProduct<T, Y>& product, const std::byte* packed, std::byte* scratch);
};

/// The kernel of an instruction set that the processor supports. Pairs and tiles compute bf16
/// alone: for float, both are avx512.
template <class T, class Y>
const BlockKernel<T, Y>& block_kernel(InstructionSet set);

}  // namespace isoflop::kernels::cpu
