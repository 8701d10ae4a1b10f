#include "kernels/api/attention.hpp"

#include "kernels/api/attention_check.hpp"
#include "kernels/api/stream_check.hpp"
#include "kernels/cpu/attention.hpp"

namespace isoflop::kernels {

template <class T>
void attention_forward(device::Stream& stream, const AttentionShape& shape, const T* qkv, T* out,
                       float* lse) {
  require_cpu(stream, "attention_forward");
  require_attention_shape(shape, "attention_forward");
  const auto workspace = stream.workspace(attention_workspace_bytes<T>(shape));
  cpu::attention_forward(shape, qkv, out, lse, workspace.data());
}

template <class T>
void attention_backward(device::Stream& stream, const AttentionShape& shape, const T* qkv,
                        const T* out, const float* lse, const T* d_out, T* d_qkv) {
  require_cpu(stream, "attention_backward");
  require_attention_shape(shape, "attention_backward");
  const auto workspace = stream.workspace(attention_workspace_bytes<T>(shape));
  cpu::attention_backward(shape, qkv, out, lse, d_out, d_qkv, workspace.data());
}

template <class T>
std::size_t attention_workspace_bytes(const AttentionShape& shape) {
  return cpu::attention_workspace_bytes<T>(shape);
}

template void attention_forward(device::Stream&, const AttentionShape&, const float*, float*,
                                float*);
template void attention_forward(device::Stream&, const AttentionShape&, const bf16*, bf16*, float*);
template void attention_backward(device::Stream&, const AttentionShape&, const float*, const float*,
                                 const float*, const float*, float*);
template void attention_backward(device::Stream&, const AttentionShape&, const bf16*, const bf16*,
                                 const float*, const bf16*, bf16*);
template std::size_t attention_workspace_bytes<float>(const AttentionShape&);
template std::size_t attention_workspace_bytes<bf16>(const AttentionShape&);

}  // namespace isoflop::kernels
