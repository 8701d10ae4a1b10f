#include "kernels/api/optimizer.hpp"

#include "kernels/api/stream_check.hpp"
#include "kernels/kokkos/optimizer.hpp"

namespace isoflop::kernels {

template <class T>
void adamw_step(device::Stream& stream, std::size_t count, const AdamWStep& step,
                const float* gradient, float* master, float* first_moment, float* second_moment,
                T* weights) {
  require_cpu(stream, "adamw_step");
  kokkos::adamw_step(count, step, gradient, master, first_moment, second_moment, weights);
}

void block_sums_of_squares(device::Stream& stream, std::size_t count, const float* values,
                           double* sums) {
  require_cpu(stream, "block_sums_of_squares");
  kokkos::block_sums_of_squares(count, values, sums);
}

void block_sums(device::Stream& stream, std::size_t count, const float* values, double* sums) {
  require_cpu(stream, "block_sums");
  kokkos::block_sums(count, values, sums);
}

template <class T>
void add(device::Stream& stream, std::size_t count, const T* a, const T* b, T* sum) {
  require_cpu(stream, "add");
  kokkos::add(count, a, b, sum);
}

template <class T>
void convert(device::Stream& stream, std::size_t count, const float* values, T* target) {
  require_cpu(stream, "convert");
  kokkos::convert(count, values, target);
}

void fill_normal(device::Stream& stream, std::size_t count, std::uint64_t seed, Purpose purpose,
                 std::uint32_t stream_id, std::uint64_t first, float deviation, float* values) {
  require_cpu(stream, "fill_normal");
  kokkos::fill_normal(count, seed, purpose, stream_id, first, deviation, values);
}

void fill(device::Stream& stream, std::size_t count, float value, float* values) {
  require_cpu(stream, "fill");
  kokkos::fill(count, value, values);
}

template void adamw_step(device::Stream&, std::size_t, const AdamWStep&, const float*, float*,
                         float*, float*, float*);
template void adamw_step(device::Stream&, std::size_t, const AdamWStep&, const float*, float*,
                         float*, float*, bf16*);
template void add(device::Stream&, std::size_t, const float*, const float*, float*);
template void add(device::Stream&, std::size_t, const bf16*, const bf16*, bf16*);
template void convert(device::Stream&, std::size_t, const float*, float*);
template void convert(device::Stream&, std::size_t, const float*, bf16*);

}  // namespace isoflop::kernels
