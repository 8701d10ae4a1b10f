#include "kernels/kokkos/embedding.hpp"

#include "core/integers.hpp"
#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::kokkos {
namespace {

/// Columns that one thread takes in the backward pass: every token in turn, so the order of the
/// sums is fixed; whole cache lines, so that threads share none.
std::size_t columns_per_thread(std::size_t width) {
  if constexpr (!kRunsOnHost) return 1;
  const auto threads = static_cast<std::size_t>(Kokkos::DefaultExecutionSpace().concurrency());
  return round_up(ceil_div(width, threads), kLanes);
}

/// A row of a table that may be null; null if the row is not here.
template <class Value>
KOKKOS_INLINE_FUNCTION Value* held_row(const HeldRows& held, Value* table, std::size_t row,
                                       std::size_t width) {
  const std::size_t place = row - held.begin;  // of a row before the first: beyond every count
  return table == nullptr || place >= held.count ? nullptr : table + place * width;
}

template <class T>
KOKKOS_INLINE_FUNCTION void add_to(float* target, const T* values, std::size_t begin,
                                   std::size_t end) {
  if (target == nullptr) return;
  ISOFLOP_INDEPENDENT
  for (std::size_t i = begin; i < end; ++i) target[i] += static_cast<float>(values[i]);
}

}  // namespace

template <class T>
void embedding_forward(const EmbeddingShape& shape, const std::int32_t* tokens, const T* table,
                       const T* positions, T* x) {
  const std::size_t width = shape.width, context = shape.context;
  const HeldRows held = shape.vocabulary, held_positions = shape.positions;
  for_each(
      "isoflop::embedding_forward", shape.batch * context, KOKKOS_LAMBDA(std::size_t token) {
        const T* row = held_row(held, table, static_cast<std::size_t>(tokens[token]), width);
        const T* position = held_row(held_positions, positions, token % context, width);
        T* out = x + token * width;
        if (row == nullptr && position == nullptr) {
          __builtin_memset(out, 0, width * sizeof(T));
        } else if (row == nullptr || position == nullptr) {
          __builtin_memcpy(out, row == nullptr ? position : row, width * sizeof(T));
        } else {
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
  const HeldRows held = shape.vocabulary, held_positions = shape.positions;
  const std::size_t count = shape.batch * context, columns = columns_per_thread(width);
  for_each(
      "isoflop::embedding_backward", ceil_div(width, columns), KOKKOS_LAMBDA(std::size_t part) {
        const std::size_t begin = part * columns;
        const std::size_t end = begin + columns < width ? begin + columns : width;
        for (std::size_t token = 0; token < count; ++token) {
          const T* row = dx + token * width;
          const auto index = static_cast<std::size_t>(tokens[token]);
          add_to(held_row(held, d_table, index, width), row, begin, end);
          add_to(held_row(held_positions, d_positions, token % context, width), row, begin, end);
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
