#include "kernels/kokkos/optimizer.hpp"

#include "core/integers.hpp"
#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::kokkos {
namespace {

/// sums[block] = sum of term(values[i]) in double over each kSumBlock elements.
template <class Term>
struct BlockSum {
  std::size_t count;
  const float* values;
  double* sums;
  Term term;

  KOKKOS_FUNCTION void operator()(std::size_t block) const {
    const std::size_t begin = block * kSumBlock;
    const std::size_t left = count - begin;
    sums[block] = lane_sum<double>(left < kSumBlock ? left : kSumBlock, [=, this](std::size_t i) {
      return term(static_cast<double>(values[begin + i]));
    });
  }
};

struct Square {
  KOKKOS_FUNCTION double operator()(double value) const { return value * value; }
};
struct Identity {
  KOKKOS_FUNCTION double operator()(double value) const { return value; }
};

}  // namespace

template <class T>
void adamw_step(std::size_t count, const AdamWStep& step, const float* gradient, float* master,
                float* first_moment, float* second_moment, T* weights) {
  const float gradient_scale = step.gradient_scale, epsilon = step.epsilon;
  const float beta1 = step.beta1, beta2 = step.beta2;
  const float decay = step.learning_rate * step.weight_decay;
  const float step_size = step.learning_rate / step.first_correction;
  const float deviation_scale = 1.0f / Kokkos::sqrt(step.second_correction);
  for_chunks(
      "isoflop::adamw_step", count, KOKKOS_LAMBDA(std::size_t begin, std::size_t end) {
        ISOFLOP_INDEPENDENT
        for (std::size_t i = begin; i < end; ++i) {
          const float g = gradient[i] * gradient_scale;
          const float m = beta1 * first_moment[i] + (1.0f - beta1) * g;
          const float v = beta2 * second_moment[i] + (1.0f - beta2) * (g * g);
          const float deviation = Kokkos::sqrt(v) * deviation_scale + epsilon;
          const float w = master[i];
          const float updated = w - (decay * w + step_size * m / deviation);
          first_moment[i] = m;
          second_moment[i] = v;
          master[i] = updated;
          weights[i] = T(updated);
        }
      });
}

void block_sums_of_squares(std::size_t count, const float* values, double* sums) {
  for_each("isoflop::block_sums_of_squares", ceil_div(count, kSumBlock),
           BlockSum<Square>{count, values, sums, {}});
}

void block_sums(std::size_t count, const float* values, double* sums) {
  for_each("isoflop::block_sums", ceil_div(count, kSumBlock),
           BlockSum<Identity>{count, values, sums, {}});
}

template <class T>
void add(std::size_t count, const T* a, const T* b, T* sum) {
  for_chunks(
      "isoflop::add", count, KOKKOS_LAMBDA(std::size_t begin, std::size_t end) {
        ISOFLOP_INDEPENDENT
        for (std::size_t i = begin; i < end; ++i)
          sum[i] = T(static_cast<float>(a[i]) + static_cast<float>(b[i]));
      });
}

template <class T>
void convert(std::size_t count, const float* values, T* target) {
  for_chunks(
      "isoflop::convert", count, KOKKOS_LAMBDA(std::size_t begin, std::size_t end) {
        ISOFLOP_INDEPENDENT
        for (std::size_t i = begin; i < end; ++i) target[i] = T(values[i]);
      });
}

void fill(std::size_t count, float value, float* values) {
  for_chunks(
      "isoflop::fill", count, KOKKOS_LAMBDA(std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) values[i] = value;
      });
}

template void adamw_step(std::size_t, const AdamWStep&, const float*, float*, float*, float*,
                         float*);
template void adamw_step(std::size_t, const AdamWStep&, const float*, float*, float*, float*,
                         bf16*);
template void add(std::size_t, const float*, const float*, float*);
template void add(std::size_t, const bf16*, const bf16*, bf16*);
template void convert(std::size_t, const float*, float*);
template void convert(std::size_t, const float*, bf16*);

}  // namespace isoflop::kernels::kokkos
