#include "kernels/cpu/matmul.hpp"

#include <Kokkos_Core.hpp>
#include <algorithm>
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

/// How a product is cut and where the pieces of the workspace lie.
struct Plan {
  std::size_t depth_chunk;
  std::size_t column_block;
  std::size_t workers;
  std::size_t packed_bytes;   // shared by all workers
  std::size_t scratch_bytes;  // a worker

  std::size_t workspace_bytes() const { return packed_bytes + workers * scratch_bytes; }
};

template <class T, class Y>
Plan make_plan(const BlockKernel<T, Y>& kernel, const BlockProduct<T, Y>& product) {
  Plan plan;
  plan.depth_chunk =
      goes_in_chunks(product) ? std::min(product.depth, kDepthChunk<T>) : product.depth;
  plan.column_block = std::min(kernel.column_block(plan.depth_chunk), product.columns);
  const auto threads = static_cast<std::size_t>(Kokkos::DefaultHostExecutionSpace().concurrency());
  plan.workers = std::clamp<std::size_t>(ceil_div(product.rows, kernel.row_step), 1, threads);
  plan.packed_bytes =
      round_up(kernel.packed_bytes(plan.column_block, plan.depth_chunk), device::kAlignment);
  plan.scratch_bytes =
      round_up(kernel.scratch_bytes(plan.column_block, plan.depth_chunk), device::kAlignment);
  return plan;
}

/// work(worker) for each worker, in parallel.
template <class Work>
void for_each_worker(const char* label, std::size_t workers, const Work& work) {
  if (workers == 1) return work(0);
  using Policy = Kokkos::RangePolicy<Kokkos::DefaultHostExecutionSpace>;
  Kokkos::parallel_for(kokkos::for_tools(label), Policy(0, workers).set_chunk_size(1), work);
}

/// One block of columns: packs it together, then each worker multiplies its share of the rows.
template <class T, class Y>
void multiply_columns(const BlockKernel<T, Y>& kernel, const BlockProduct<T, Y>& product,
                      const Plan& plan, std::byte* workspace) {
  std::byte* packed = workspace;
  std::byte* scratch = workspace + plan.packed_bytes;
  const std::size_t panels = kernel.panels(product.columns);
  const std::size_t panels_each = ceil_div(panels, plan.workers);
  for_each_worker("isoflop::matmul_pack", plan.workers, [=, &kernel](std::size_t worker) {
    const std::size_t first = std::min(worker * panels_each, panels);
    kernel.pack(product, first, std::min(first + panels_each, panels), packed);
  });
  const std::size_t rows_each = round_up(ceil_div(product.rows, plan.workers), kernel.row_step);
  for_each_worker("isoflop::matmul_multiply", plan.workers, [=, &kernel](std::size_t worker) {
    const std::size_t first = std::min(worker * rows_each, product.rows);
    BlockProduct<T, Y> share = product;
    share.rows = std::min(rows_each, product.rows - first);
    share.a = product.a.from(first, 0);
    share.c = product.c + first * product.c_stride;
    kernel.multiply(share, packed, scratch + worker * plan.scratch_bytes);
  });
}

template <class T, class Y>
std::size_t chunks_bytes(InstructionSet set, const BlockProduct<T, Y>& product) {
  return make_plan(block_kernel<T, Y>(set), product).workspace_bytes();
}

/// Between chunks of the depth sums rest in the result.
template <class T, class Y>
void multiply_chunks(InstructionSet set, const BlockProduct<T, Y>& product, std::byte* workspace) {
  const BlockKernel<T, Y>& kernel = block_kernel<T, Y>(set);
  const Plan plan = make_plan(kernel, product);
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
      multiply_columns(kernel, chunk, plan, workspace);
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
  using Policy = Kokkos::RangePolicy<Kokkos::DefaultHostExecutionSpace>;
  Kokkos::parallel_for(kokkos::for_tools("isoflop::matmul_round"), Policy(0, result.rows),
                       [=](std::size_t row) {
                         const float* from = sums.c + row * sums.c_stride;
                         std::transform(from, from + sums.columns, result.c + row * result.c_stride,
                                        [](float sum) { return bf16(sum); });
                       });
}

template <class T>
std::size_t workspace_bytes(InstructionSet set, const BlockProduct<T, float>& product) {
  return chunks_bytes(set, product);
}

/// A result of bf16 cannot hold sums: those of chunks rest in the workspace.
std::size_t workspace_bytes(InstructionSet set, const BlockProduct<bf16, bf16>& product) {
  if (!goes_in_chunks(product)) return chunks_bytes(set, product);
  return sums_bytes(product) + chunks_bytes(set, in_sums(product, nullptr));
}

template <class T>
void multiply(InstructionSet set, const BlockProduct<T, float>& product, std::byte* workspace) {
  multiply_chunks(set, product, workspace);
}

void multiply(InstructionSet set, const BlockProduct<bf16, bf16>& product, std::byte* workspace) {
  if (!goes_in_chunks(product)) return multiply_chunks(set, product, workspace);
  const BlockProduct<bf16, float> sums = in_sums(product, reinterpret_cast<float*>(workspace));
  multiply_chunks(set, sums, workspace + sums_bytes(product));
  round_rows(sums, product);
}

template <class T, class Y>
void multiply(InstructionSet set, device::Stream& stream, const BlockProduct<T, Y>& product) {
  if (product.rows == 0 || product.columns == 0) return;
  multiply(set, product, stream.workspace(workspace_bytes(set, product)).data());
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
