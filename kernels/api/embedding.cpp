#include "kernels/api/embedding.hpp"

#include "kernels/api/stream_check.hpp"
#include "kernels/kokkos/embedding.hpp"

namespace isoflop::kernels {

template <class T>
void embedding_forward(device::Stream& stream, const EmbeddingShape& shape,
                       const std::int32_t* tokens, const T* table, const T* positions, T* x) {
  require_cpu(stream, "embedding_forward");
  kokkos::embedding_forward(shape, tokens, table, positions, x);
}

template <class T>
void embedding_backward(device::Stream& stream, const EmbeddingShape& shape,
                        const std::int32_t* tokens, const T* dx, float* d_table,
                        float* d_positions) {
  require_cpu(stream, "embedding_backward");
  kokkos::embedding_backward(shape, tokens, dx, d_table, d_positions);
}

template void embedding_forward(device::Stream&, const EmbeddingShape&, const std::int32_t*,
                                const float*, const float*, float*);
template void embedding_forward(device::Stream&, const EmbeddingShape&, const std::int32_t*,
                                const bf16*, const bf16*, bf16*);
template void embedding_backward(device::Stream&, const EmbeddingShape&, const std::int32_t*,
                                 const float*, float*, float*);
template void embedding_backward(device::Stream&, const EmbeddingShape&, const std::int32_t*,
                                 const bf16*, float*, float*);

}  // namespace isoflop::kernels
