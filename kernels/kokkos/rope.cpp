#include "kernels/kokkos/rope.hpp"

#include <type_traits>

#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::kokkos {
namespace {

/// Turns `count` pairs.
template <std::size_t count, class T>
KOKKOS_INLINE_FUNCTION void turn(const float* cosines, const float* sines, float direction,
                                 T* first, T* second) {
  float a[count], b[count];
  for (std::size_t i = 0; i < count; ++i) {
    a[i] = static_cast<float>(first[i]);
    b[i] = static_cast<float>(second[i]);
  }
  ISOFLOP_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    const float sine = direction * sines[i];
    first[i] = T(a[i] * cosines[i] - b[i] * sine);
    second[i] = T(a[i] * sine + b[i] * cosines[i]);
  }
}

}  // namespace

void rope_table(std::size_t context, std::size_t head_width, float* table) {
  const std::size_t half = head_width / 2;
  for_each(
      "isoflop::rope_table", context * half, KOKKOS_LAMBDA(std::size_t index) {
        const std::size_t position = index / half, i = index % half;
        // in double: an angle of thousands of radians has no digits left in float
        const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(head_width);
        const double angle = static_cast<double>(position) * Kokkos::pow(10000.0, exponent);
        table[position * head_width + i] = static_cast<float>(Kokkos::cos(angle));
        table[position * head_width + half + i] = static_cast<float>(Kokkos::sin(angle));
      });
}

template <class T>
void rope(const AttentionShape& shape, float direction, const float* table, T* qkv) {
  // for bf16 the compiler chooses vectors of 32, and turns what is shorter one by one
  const bool in_sixteens = std::is_same_v<T, bf16> && shape.head_width / 2 < 2 * kLanes;
  const std::size_t turned = shape.heads + shape.kv_heads, half = shape.head_width / 2;
  const std::size_t context = shape.context, width = shape.head_width, stride = shape.qkv_width();
  for_each(
      "isoflop::rope", shape.batch * context, KOKKOS_LAMBDA(std::size_t row) {
        const float* cosines = table + row % context * width;
        const float* sines = cosines + half;
        for (std::size_t head = 0; head < turned; ++head) {
          T* first = qkv + row * stride + head * width;
          T* second = first + half;
          std::size_t i = 0;
          for (; in_sixteens && i + kLanes <= half; i += kLanes) {
            turn<kLanes>(cosines + i, sines + i, direction, first + i, second + i);
          }
          for (; i < half; ++i) turn<1>(cosines + i, sines + i, direction, first + i, second + i);
        }
      });
}

template void rope(const AttentionShape&, float, const float*, float*);
template void rope(const AttentionShape&, float, const float*, bf16*);

}  // namespace isoflop::kernels::kokkos
