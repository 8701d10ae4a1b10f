#include "kernels/api/matmul.hpp"

#include <type_traits>

#include "kernels/api/stream_check.hpp"
#include "kernels/cpu/matmul.hpp"
#include "kernels/kokkos/matmul.hpp"

namespace isoflop::kernels {

namespace {

using cpu::InstructionSet;

/// The portable kernel is the faster one for fp32 without vectors; bf16 keeps its bits everywhere.
template <class T>
bool is_native(InstructionSet set) {
  return std::is_same_v<T, bf16> || set != InstructionSet::scalar;
}

}  // namespace

template <class T, class Y>
void matmul_forward(device::Stream& stream, MatmulShape shape, const T* x, const T* w, Y* y) {
  require_cpu(stream, "matmul_forward");
  const InstructionSet set = cpu::best_instruction_set();
  if (!is_native<T>(set)) return kokkos::matmul_forward(shape, x, w, y);
  cpu::matmul_forward(set, stream, shape, x, w, y);
}

template <class T>
void matmul_data_gradient(device::Stream& stream, MatmulShape shape, const T* dy, const T* w,
                          T* dx) {
  require_cpu(stream, "matmul_data_gradient");
  const InstructionSet set = cpu::best_instruction_set();
  if (!is_native<T>(set)) return kokkos::matmul_data_gradient(shape, dy, w, dx);
  cpu::matmul_data_gradient(set, stream, shape, dy, w, dx);
}

template <class T>
void matmul_weight_gradient(device::Stream& stream, MatmulShape shape, const T* dy, const T* x,
                            float* dw) {
  require_cpu(stream, "matmul_weight_gradient");
  const InstructionSet set = cpu::best_instruction_set();
  if (!is_native<T>(set)) return kokkos::matmul_weight_gradient(shape, dy, x, dw);
  cpu::matmul_weight_gradient(set, stream, shape, dy, x, dw);
}

template <class T>
std::size_t matmul_workspace_bytes(MatmulShape shape) {
  const InstructionSet set = cpu::best_instruction_set();
  return is_native<T>(set) ? cpu::matmul_workspace_bytes<T>(set, shape) : 0;
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
