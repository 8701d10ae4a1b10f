#include "kernels/cpu/matmul.hpp"

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <limits>
#include <type_traits>

#include "kernels/cpu/block_product.hpp"
#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::cpu {

namespace {

/// What a product that goes through the depth in chunks takes at a time: its packed operands stay
/// in cache.
template <class T>
constexpr std::size_t kDepthChunk = std::is_same_v<T, float> ? 256 : 512;

/// Of a deeper product few columns would fit into the cache, and the left operand would be brought
/// into blocks for every few again.
constexpr std::size_t kWholeDepth = 3072;

template <class T, class Y>
bool goes_in_chunks(const BlockProduct<T, Y>& product) {
  return product.accumulate || product.depth > kWholeDepth;
}

/// How a worker cuts its product and where the pieces of its workspace lie.
struct Plan {
  std::size_t depth_chunk;
  std::size_t column_block;
  std::size_t packed_bytes;
  std::size_t scratch_bytes;

  std::size_t workspace_bytes() const { return packed_bytes + scratch_bytes; }
};

template <class T, class Y>
Plan make_plan(const BlockKernel<T, Y>& kernel, const BlockProduct<T, Y>& product) {
  Plan plan;
  plan.depth_chunk =
      goes_in_chunks(product) ? std::min(product.depth, kDepthChunk<T>) : product.depth;
  plan.column_block = std::min(kernel.column_block(plan.depth_chunk), product.columns);
  plan.packed_bytes =
      round_up(kernel.packed_bytes(plan.column_block, plan.depth_chunk), device::kAlignment);
  plan.scratch_bytes =
      round_up(kernel.scratch_bytes(plan.column_block, plan.depth_chunk), device::kAlignment);
  return plan;
}

template <class T, class Y>
std::size_t chunks_bytes(const BlockKernel<T, Y>& kernel, const BlockProduct<T, Y>& product) {
  return make_plan(kernel, product).workspace_bytes();
}

/// Between chunks of the depth sums rest in the result.
template <class T, class Y>
void multiply_chunks(const BlockKernel<T, Y>& kernel, const BlockProduct<T, Y>& product,
                     std::byte* workspace) {
  const Plan plan = make_plan(kernel, product);
  std::byte* packed = workspace;
  std::byte* scratch = workspace + plan.packed_bytes;
  std::size_t position = 0;
  do {  // once even for an empty depth: the result must be written
    BlockProduct<T, Y> chunk = product;
    chunk.depth = std::min(plan.depth_chunk, product.depth - position);
    chunk.accumulate = product.accumulate || position > 0;
    for (std::size_t column = 0; column < product.columns; column += plan.column_block) {
      chunk.columns = std::min(plan.column_block, product.columns - column);
      chunk.a = product.a.from(0, position);
      chunk.b = product.b.from(column, position);
      chunk.c = product.c + column;
      kernel.pack(chunk, packed);
      kernel.multiply(chunk, packed, scratch);
    }
    position += chunk.depth;
  } while (position < product.depth);
}

/// The product with its sums in fp32, [rows, columns].
BlockProduct<bf16, float> in_sums(const BlockProduct<bf16, bf16>& product, float* sums) {
  return {product.rows, product.columns, product.depth, product.a, product.b,
          sums,         product.columns, false};
}

std::size_t sums_bytes(const BlockProduct<bf16, bf16>& product) {
  return round_up(product.rows * product.columns * sizeof(float), device::kAlignment);
}

void round_rows(const BlockProduct<bf16, float>& sums, const BlockProduct<bf16, bf16>& result) {
  for (std::size_t row = 0; row < result.rows; ++row) {
    const float* from = sums.c + row * sums.c_stride;
    std::transform(from, from + sums.columns, result.c + row * result.c_stride,
                   [](float sum) { return bf16(sum); });
  }
}

template <class T>
std::size_t worker_bytes(InstructionSet set, const BlockProduct<T, float>& product) {
  return chunks_bytes(block_kernel<T, float>(set), product);
}

/// A result of bf16 cannot hold sums: those of chunks rest in the workspace.
std::size_t worker_bytes(InstructionSet set, const BlockProduct<bf16, bf16>& product) {
  if (!goes_in_chunks(product)) return chunks_bytes(block_kernel<bf16, bf16>(set), product);
  return sums_bytes(product) +
         chunks_bytes(block_kernel<bf16, float>(set), in_sums(product, nullptr));
}

template <class T>
void multiply_alone(InstructionSet set, const BlockProduct<T, float>& product,
                    std::byte* workspace) {
  multiply_chunks(block_kernel<T, float>(set), product, workspace);
}

void multiply_alone(InstructionSet set, const BlockProduct<bf16, bf16>& product,
                    std::byte* workspace) {
  if (!goes_in_chunks(product)) {
    return multiply_chunks(block_kernel<bf16, bf16>(set), product, workspace);
  }
  const BlockProduct<bf16, float> sums = in_sums(product, reinterpret_cast<float*>(workspace));
  multiply_chunks(block_kernel<bf16, float>(set), sums, workspace + sums_bytes(product));
  round_rows(sums, product);
}

/// Threads take rectangles of the result, and each packs its own operands: what one has packed
/// would lie in the wrong core's cache for the others, which would wait for it besides.
struct Rectangles {
  std::size_t rows, columns;  // of one; those at the edges have what is left
  std::size_t down, across;   // how many

  std::size_t count() const { return down * across; }
};

/// Packing a line of an operand takes as long as computing about so many results: it is 8 % of the
/// time of products with some 512 rows and 768 columns.
constexpr std::size_t kResultsALine = 24;

/// The rectangles, at most one a thread, of which one takes the least time; for a product that has
/// results. None ends inside a cache line of them if their rows begin with one.
template <class T, class Y>
Rectangles share_out(const BlockKernel<T, Y>& kernel, const BlockProduct<T, Y>& product) {
  const auto threads = static_cast<std::size_t>(Kokkos::DefaultHostExecutionSpace().concurrency());
  const std::size_t column_step = std::max(kernel.panel_columns, 64 / sizeof(Y));
  const auto part = [](std::size_t all, std::size_t parts, std::size_t step) {
    return std::min(round_up(ceil_div(all, parts), step), all);
  };
  Rectangles best{};
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (std::size_t across = 1; across <= threads; ++across) {
    const std::size_t rows = part(product.rows, threads / across, kernel.row_step);
    const std::size_t columns = part(product.columns, across, column_step);
    const std::size_t cost = rows * columns + kResultsALine * (rows + columns);
    if (cost >= least) continue;
    least = cost;
    best = {rows, columns, ceil_div(product.rows, rows), ceil_div(product.columns, columns)};
  }
  return best;
}

template <class T, class Y>
BlockProduct<T, Y> part_of(const BlockProduct<T, Y>& product, const Rectangles& rectangles,
                           std::size_t index) {
  const std::size_t row = index / rectangles.across * rectangles.rows;
  const std::size_t column = index % rectangles.across * rectangles.columns;
  BlockProduct<T, Y> part = product;
  part.rows = std::min(rectangles.rows, product.rows - row);
  part.columns = std::min(rectangles.columns, product.columns - column);
  part.a = product.a.from(row, 0);
  part.b = product.b.from(column, 0);
  part.c = product.c + row * product.c_stride + column;
  return part;
}

/// work(index) for each rectangle, in parallel.
template <class Work>
void for_each_rectangle(std::size_t count, const Work& work) {
  if (count == 1) return work(0);
  using Policy = Kokkos::RangePolicy<Kokkos::DefaultHostExecutionSpace>;
  Kokkos::parallel_for(kokkos::for_tools("isoflop::matmul"), Policy(0, count).set_chunk_size(1),
                       work);
}

template <class T, class Y>
bool has_results(const BlockProduct<T, Y>& product) {
  return product.rows > 0 && product.columns > 0;
}

template <class T, class Y>
std::size_t workspace_bytes(InstructionSet set, const BlockProduct<T, Y>& product) {
  if (!has_results(product)) return 0;
  const Rectangles rectangles = share_out(block_kernel<T, Y>(set), product);
  return rectangles.count() * worker_bytes(set, part_of(product, rectangles, 0));
}

template <class T, class Y>
void multiply(InstructionSet set, device::Stream& stream, const BlockProduct<T, Y>& product) {
  if (!has_results(product)) return;
  const Rectangles rectangles = share_out(block_kernel<T, Y>(set), product);
  const std::size_t bytes = worker_bytes(set, part_of(product, rectangles, 0));
  std::byte* workspace = stream.workspace(rectangles.count() * bytes).data();
  for_each_rectangle(rectangles.count(), [=](std::size_t index) {
    multiply_alone(set, part_of(product, rectangles, index), workspace + index * bytes);
  });
}

template <class T, class Y>
BlockProduct<T, Y> forward_product(MatmulShape s, const T* x, const T* w, Y* y) {
  return {s.m, s.n, s.k, {x, s.k, Contiguous::depth}, {w, s.k, Contiguous::depth}, y, s.n, false};
}

template <class T>
BlockProduct<T, T> data_gradient_product(MatmulShape s, const T* dy, const T* w, T* dx) {
  return {s.m, s.k, s.n, {dy, s.n, Contiguous::depth}, {w, s.k, Contiguous::line}, dx, s.k, false};
}

template <class T>
BlockProduct<T, float> weight_gradient_product(MatmulShape s, const T* dy, const T* x, float* dw) {
  return {s.n, s.k, s.m, {dy, s.n, Contiguous::line}, {x, s.k, Contiguous::line}, dw, s.k, true};
}

}  // namespace

template <class T, class Y>
void matmul_forward(InstructionSet set, device::Stream& stream, MatmulShape shape, const T* x,
                    const T* w, Y* y) {
  multiply(set, stream, forward_product(shape, x, w, y));
}

template <class T>
void matmul_data_gradient(InstructionSet set, device::Stream& stream, MatmulShape shape,
                          const T* dy, const T* w, T* dx) {
  multiply(set, stream, data_gradient_product(shape, dy, w, dx));
}

template <class T>
void matmul_weight_gradient(InstructionSet set, device::Stream& stream, MatmulShape shape,
                            const T* dy, const T* x, float* dw) {
  multiply(set, stream, weight_gradient_product(shape, dy, x, dw));
}

template <class T>
std::size_t matmul_workspace_bytes(InstructionSet set, MatmulShape shape) {
  const T* none = nullptr;
  return std::max({workspace_bytes(set, forward_product<T, T>(shape, none, none, nullptr)),
                   workspace_bytes(set, forward_product<T, float>(shape, none, none, nullptr)),
                   workspace_bytes(set, data_gradient_product<T>(shape, none, none, nullptr)),
                   workspace_bytes(set, weight_gradient_product<T>(shape, none, none, nullptr))});
}

template void matmul_forward(InstructionSet, device::Stream&, MatmulShape, const float*,
                             const float*, float*);
template void matmul_forward(InstructionSet, device::Stream&, MatmulShape, const bf16*, const bf16*,
                             bf16*);
template void matmul_forward(InstructionSet, device::Stream&, MatmulShape, const bf16*, const bf16*,
                             float*);
template void matmul_data_gradient(InstructionSet, device::Stream&, MatmulShape, const float*,
                                   const float*, float*);
template void matmul_data_gradient(InstructionSet, device::Stream&, MatmulShape, const bf16*,
                                   const bf16*, bf16*);
template void matmul_weight_gradient(InstructionSet, device::Stream&, MatmulShape, const float*,
                                     const float*, float*);
template void matmul_weight_gradient(InstructionSet, device::Stream&, MatmulShape, const bf16*,
                                     const bf16*, float*);
template std::size_t matmul_workspace_bytes<float>(InstructionSet, MatmulShape);
template std::size_t matmul_workspace_bytes<bf16>(InstructionSet, MatmulShape);

}  // namespace isoflop::kernels::cpu
