#include "kernels/api/norm.hpp"

#include "kernels/api/stream_check.hpp"
#include "kernels/kokkos/norm.hpp"

namespace isoflop::kernels {

template <class T>
void norm_forward(device::Stream& stream, const NormShape& shape, const T* x, const T* delta,
                  const T* gain, const T* bias, T* sum, T* y, float* statistics) {
  require_cpu(stream, "norm_forward");
  ISOFLOP_EXPECT(shape.width > 0);
  ISOFLOP_EXPECT((bias != nullptr) == (shape.kind == NormKind::layer));
  ISOFLOP_EXPECT(delta == nullptr || sum != nullptr);
  kokkos::norm_forward(shape, x, delta, gain, bias, sum, y, statistics);
}

template <class T>
void norm_backward(device::Stream& stream, const NormShape& shape, const T* x, const T* gain,
                   const float* statistics, const T* dy, const T* d_residual, T* dx, float* d_gain,
                   float* d_bias) {
  require_cpu(stream, "norm_backward");
  ISOFLOP_EXPECT(shape.width > 0);
  ISOFLOP_EXPECT((d_bias != nullptr) == (shape.kind == NormKind::layer));
  auto* partial = reinterpret_cast<float*>(stream.workspace(norm_workspace_bytes(shape)).data());
  kokkos::norm_backward(shape, x, gain, statistics, dy, d_residual, dx, d_gain, d_bias, partial);
}

std::size_t norm_workspace_bytes(const NormShape& shape) {
  return kokkos::norm_workspace_bytes(shape);
}

template void norm_forward(device::Stream&, const NormShape&, const float*, const float*,
                           const float*, const float*, float*, float*, float*);
template void norm_forward(device::Stream&, const NormShape&, const bf16*, const bf16*, const bf16*,
                           const bf16*, bf16*, bf16*, float*);
template void norm_backward(device::Stream&, const NormShape&, const float*, const float*,
                            const float*, const float*, const float*, float*, float*, float*);
template void norm_backward(device::Stream&, const NormShape&, const bf16*, const bf16*,
                            const float*, const bf16*, const bf16*, bf16*, float*, float*);

}  // namespace isoflop::kernels
