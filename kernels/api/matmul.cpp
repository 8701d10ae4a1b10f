#include "kernels/api/matmul.hpp"

#include "kernels/api/stream_check.hpp"
#include "kernels/cpu/matmul.hpp"

namespace isoflop::kernels {

template <class T, class Y>
void matmul_forward(device::Stream& stream, MatmulShape shape, const T* x, const T* w, Y* y) {
  require_cpu(stream, "matmul_forward");
  cpu::matmul_forward(cpu::best_instruction_set(), stream, shape, x, w, y);
}

template <class T>
void matmul_data_gradient(device::Stream& stream, MatmulShape shape, const T* dy, const T* w,
                          T* dx) {
  require_cpu(stream, "matmul_data_gradient");
  cpu::matmul_data_gradient(cpu::best_instruction_set(), stream, shape, dy, w, dx);
}

template <class T>
void matmul_weight_gradient(device::Stream& stream, MatmulShape shape, const T* dy, const T* x,
                            float* dw) {
  require_cpu(stream, "matmul_weight_gradient");
  cpu::matmul_weight_gradient(cpu::best_instruction_set(), stream, shape, dy, x, dw);
}

template <class T>
std::size_t matmul_workspace_bytes(MatmulShape shape) {
  return cpu::matmul_workspace_bytes<T>(cpu::best_instruction_set(), shape);
}

template void matmul_forward(device::Stream&, MatmulShape, const float*, const float*, float*);
template void matmul_forward(device::Stream&, MatmulShape, const bf16*, const bf16*, bf16*);
template void matmul_forward(device::Stream&, MatmulShape, const bf16*, const bf16*, float*);
template void matmul_data_gradient(device::Stream&, MatmulShape, const float*, const float*,
                                   float*);
template void matmul_data_gradient(device::Stream&, MatmulShape, const bf16*, const bf16*, bf16*);
template void matmul_weight_gradient(device::Stream&, MatmulShape, const float*, const float*,
                                     float*);
template void matmul_weight_gradient(device::Stream&, MatmulShape, const bf16*, const bf16*,
                                     float*);
template std::size_t matmul_workspace_bytes<float>(MatmulShape);
template std::size_t matmul_workspace_bytes<bf16>(MatmulShape);

}  // namespace isoflop::kernels
