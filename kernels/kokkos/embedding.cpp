#include "kernels/kokkos/embedding.hpp"

#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::kokkos {
namespace {

/// Columns that one thread takes in the backward pass: every token in turn, so the order of the
/// sums is fixed; whole cache lines, so that threads share none.
std::size_t columns_per_thread(std::size_t width) {
  if constexpr (!kRunsOnHost) return 1;
  const auto threads = static_cast<std::size_t>(Kokkos::DefaultExecutionSpace().concurrency());
  return ((width + threads - 1) / threads + kLanes - 1) / kLanes * kLanes;
}

template <class T>
KOKKOS_INLINE_FUNCTION void add_to(float* target, const T* values, std::size_t begin,
                                   std::size_t end) {
  ISOFLOP_INDEPENDENT
  for (std::size_t i = begin; i < end; ++i) target[i] += static_cast<float>(values[i]);
}

}  // namespace

template <class T>
void embedding_forward(const EmbeddingShape& shape, const std::int32_t* tokens, const T* table,
                       const T* positions, T* x) {
  const std::size_t width = shape.width, context = shape.context;
  for_each(
      "isoflop::embedding_forward", shape.batch * context, KOKKOS_LAMBDA(std::size_t token) {
        const T* row = table + static_cast<std::size_t>(tokens[token]) * width;
        T* out = x + token * width;
        if (positions == nullptr) {
          __builtin_memcpy(out, row, width * sizeof(T));
        } else {
          const T* position = positions + token % context * width;
          ISOFLOP_INDEPENDENT
          for (std::size_t i = 0; i < width; ++i) {
            out[i] = T(static_cast<float>(row[i]) + static_cast<float>(position[i]));
          }
        }
      });
}

template <class T>
void embedding_backward(const EmbeddingShape& shape, const std::int32_t* tokens, const T* dx,
                        float* d_table, float* d_positions) {
  const std::size_t width = shape.width, context = shape.context;
  const std::size_t count = shape.batch * context, columns = columns_per_thread(width);
  for_each(
      "isoflop::embedding_backward", (width + columns - 1) / columns,
      KOKKOS_LAMBDA(std::size_t part) {
        const std::size_t begin = part * columns;
        const std::size_t end = begin + columns < width ? begin + columns : width;
        for (std::size_t token = 0; token < count; ++token) {
          const T* row = dx + token * width;
          add_to(d_table + static_cast<std::size_t>(tokens[token]) * width, row, begin, end);
          if (d_positions != nullptr) {
            add_to(d_positions + token % context * width, row, begin, end);
          }
        }
      });
}

template void embedding_forward(const EmbeddingShape&, const std::int32_t*, const float*,
                                const float*, float*);
template void embedding_forward(const EmbeddingShape&, const std::int32_t*, const bf16*,
                                const bf16*, bf16*);
template void embedding_backward(const EmbeddingShape&, const std::int32_t*, const float*, float*,
                                 float*);
template void embedding_backward(const EmbeddingShape&, const std::int32_t*, const bf16*, float*,
                                 float*);

}  // namespace isoflop::kernels::kokkos
