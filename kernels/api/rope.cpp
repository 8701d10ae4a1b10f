#include "kernels/api/rope.hpp"

#include "kernels/api/attention_check.hpp"
#include "kernels/api/stream_check.hpp"
#include "kernels/kokkos/rope.hpp"

namespace isoflop::kernels {

void rope_table(device::Stream& stream, std::size_t context, std::size_t head_width, float* table) {
  require_cpu(stream, "rope_table");
  require_head_width(head_width, "rope_table");
  kokkos::rope_table(context, head_width, table);
}

template <class T>
void rope_forward(device::Stream& stream, const AttentionShape& shape, const float* table, T* qkv) {
  require_cpu(stream, "rope_forward");
  require_attention_shape(shape, "rope_forward");
  kokkos::rope(shape, 1.0f, table, qkv);
}

template <class T>
void rope_backward(device::Stream& stream, const AttentionShape& shape, const float* table,
                   T* d_qkv) {
  require_cpu(stream, "rope_backward");
  require_attention_shape(shape, "rope_backward");
  kokkos::rope(shape, -1.0f, table, d_qkv);
}

template void rope_forward(device::Stream&, const AttentionShape&, const float*, float*);
template void rope_forward(device::Stream&, const AttentionShape&, const float*, bf16*);
template void rope_backward(device::Stream&, const AttentionShape&, const float*, float*);
template void rope_backward(device::Stream&, const AttentionShape&, const float*, bf16*);

}  // namespace isoflop::kernels
