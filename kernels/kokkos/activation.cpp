#include "kernels/kokkos/activation.hpp"

#include "kernels/kokkos/loops.hpp"
#include "kernels/kokkos/math.hpp"

namespace isoflop::kernels::kokkos {
namespace {

// x / 2 (1 + tanh u) = x sigmoid(2 u); 2 u = x (kGeluLinear + kGeluCubic x^2).
constexpr float kGeluLinear = 1.5957691216057308f;  // 2 sqrt(2 / pi)
constexpr float kGeluCubic = kGeluLinear * 0.044715f;

KOKKOS_INLINE_FUNCTION float gelu(float x) {
  return scaled_sigmoid(x * (kGeluLinear + kGeluCubic * (x * x)), x);
}

KOKKOS_INLINE_FUNCTION float gelu_slope(float x) {
  const float square = x * x;
  const float s = scaled_sigmoid(x * (kGeluLinear + kGeluCubic * square), 1.0f);
  return s + x * (kGeluLinear + 3.0f * kGeluCubic * square) * (s * (1.0f - s));
}

}  // namespace

template <class T>
void gelu_forward(std::size_t count, const T* x, T* y) {
  for_chunks(
      "isoflop::gelu_forward", count, KOKKOS_LAMBDA(std::size_t begin, std::size_t end) {
        ISOFLOP_INDEPENDENT
        for (std::size_t i = begin; i < end; ++i) y[i] = T(gelu(static_cast<float>(x[i])));
      });
}

template <class T>
void gelu_backward(std::size_t count, const T* x, const T* dy, T* dx) {
  for_chunks(
      "isoflop::gelu_backward", count, KOKKOS_LAMBDA(std::size_t begin, std::size_t end) {
        ISOFLOP_INDEPENDENT
        for (std::size_t i = begin; i < end; ++i) {
          dx[i] = T(static_cast<float>(dy[i]) * gelu_slope(static_cast<float>(x[i])));
        }
      });
}

template <class T>
void swiglu_forward(std::size_t rows, std::size_t width, const T* gate_up, T* y) {
  for_each(
      "isoflop::swiglu_forward", rows, KOKKOS_LAMBDA(std::size_t row) {
        const T* gate = gate_up + row * 2 * width;
        const T* up = gate + width;
        T* out = y + row * width;
        ISOFLOP_INDEPENDENT
        for (std::size_t i = 0; i < width; ++i) {
          const float g = static_cast<float>(gate[i]);
          out[i] = T(scaled_sigmoid(g, g * static_cast<float>(up[i])));
        }
      });
}

template <class T>
void swiglu_backward(std::size_t rows, std::size_t width, const T* gate_up, const T* dy,
                     T* d_gate_up) {
  for_each(
      "isoflop::swiglu_backward", rows, KOKKOS_LAMBDA(std::size_t row) {
        const T* gate = gate_up + row * 2 * width;
        const T* up = gate + width;
        const T* d_out = dy + row * width;
        T* d_gate = d_gate_up + row * 2 * width;
        T* d_up = d_gate + width;
        ISOFLOP_INDEPENDENT
        for (std::size_t i = 0; i < width; ++i) {
          const float g = static_cast<float>(gate[i]);
          const float u = static_cast<float>(up[i]);
          const float d = static_cast<float>(d_out[i]);
          const float s = scaled_sigmoid(g, 1.0f);
          d_gate[i] = T(d * u * (s + g * (s * (1.0f - s))));
          d_up[i] = T(d * (g * s));
        }
      });
}

template void gelu_forward(std::size_t, const float*, float*);
template void gelu_forward(std::size_t, const bf16*, bf16*);
template void gelu_backward(std::size_t, const float*, const float*, float*);
template void gelu_backward(std::size_t, const bf16*, const bf16*, bf16*);
template void swiglu_forward(std::size_t, std::size_t, const float*, float*);
template void swiglu_forward(std::size_t, std::size_t, const bf16*, bf16*);
template void swiglu_backward(std::size_t, std::size_t, const float*, const float*, float*);
template void swiglu_backward(std::size_t, std::size_t, const bf16*, const bf16*, bf16*);

}  // namespace isoflop::kernels::kokkos
