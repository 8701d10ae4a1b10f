#include "kernels/api/activation.hpp"

#include "kernels/api/stream_check.hpp"
#include "kernels/kokkos/activation.hpp"

namespace isoflop::kernels {

template <class T>
void gelu_forward(device::Stream& stream, std::size_t count, const T* x, T* y) {
  require_cpu(stream, "gelu_forward");
  kokkos::gelu_forward(count, x, y);
}

template <class T>
void gelu_backward(device::Stream& stream, std::size_t count, const T* x, const T* dy, T* dx) {
  require_cpu(stream, "gelu_backward");
  kokkos::gelu_backward(count, x, dy, dx);
}

template <class T>
void swiglu_forward(device::Stream& stream, std::size_t rows, std::size_t width, const T* gate_up,
                    T* y) {
  require_cpu(stream, "swiglu_forward");
  kokkos::swiglu_forward(rows, width, gate_up, y);
}

template <class T>
void swiglu_backward(device::Stream& stream, std::size_t rows, std::size_t width, const T* gate_up,
                     const T* dy, T* d_gate_up) {
  require_cpu(stream, "swiglu_backward");
  kokkos::swiglu_backward(rows, width, gate_up, dy, d_gate_up);
}

template void gelu_forward(device::Stream&, std::size_t, const float*, float*);
template void gelu_forward(device::Stream&, std::size_t, const bf16*, bf16*);
template void gelu_backward(device::Stream&, std::size_t, const float*, const float*, float*);
template void gelu_backward(device::Stream&, std::size_t, const bf16*, const bf16*, bf16*);
template void swiglu_forward(device::Stream&, std::size_t, std::size_t, const float*, float*);
template void swiglu_forward(device::Stream&, std::size_t, std::size_t, const bf16*, bf16*);
template void swiglu_backward(device::Stream&, std::size_t, std::size_t, const float*, const float*,
                              float*);
template void swiglu_backward(device::Stream&, std::size_t, std::size_t, const bf16*, const bf16*,
                              bf16*);

}  // namespace isoflop::kernels
