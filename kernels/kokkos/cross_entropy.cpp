// Three passes over a row, which stays in the second-level cache: its maximum, the sum of
// exponentials, and (backward) the gradient. Computing each exponential twice is cheaper than
// keeping it, and an online maximum would compute it twice too.
#include "kernels/kokkos/cross_entropy.hpp"

#include "kernels/kokkos/loops.hpp"
#include "kernels/kokkos/math.hpp"

namespace isoflop::kernels::kokkos {
namespace {

constexpr std::size_t kSumSegment = 1024;  // logits summed in float before double takes over

/// The largest of the logits; NaN when one is minus infinity, which no softmax of a healthy model
/// holds. (NaN and plus infinity turn the sum of exponentials into NaN.)
KOKKOS_INLINE_FUNCTION float healthy_maximum(std::size_t count, const float* logits) {
  float high[kLanes], low[kLanes];
  for (std::size_t lane = 0; lane < kLanes; ++lane) high[lane] = low[lane] = logits[0];
  const std::size_t whole = count / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float value = logits[i + lane];
      high[lane] = value > high[lane] ? value : high[lane];
      low[lane] = value < low[lane] ? value : low[lane];
    }
  }
  for (std::size_t i = whole; i < count; ++i) {
    high[i - whole] = logits[i] > high[i - whole] ? logits[i] : high[i - whole];
    low[i - whole] = logits[i] < low[i - whole] ? logits[i] : low[i - whole];
  }
  for (std::size_t lane = 1; lane < kLanes; ++lane) {
    high[0] = high[lane] > high[0] ? high[lane] : high[0];
    low[0] = low[lane] < low[0] ? low[lane] : low[0];
  }
  return low[0] > -kInfinity ? high[0] : __builtin_nanf("");
}

struct RowSoftmax {
  float maximum;
  float sum;  // of exp(logit - maximum)
};

KOKKOS_INLINE_FUNCTION RowSoftmax row_softmax(std::size_t count, const float* logits) {
  const float maximum = healthy_maximum(count, logits);
  double sum = 0.0;
  for (std::size_t begin = 0; begin < count; begin += kSumSegment) {
    const float* segment = logits + begin;
    const std::size_t left = count - begin;
    sum += static_cast<double>(
        lane_sum<float>(left < kSumSegment ? left : kSumSegment,
                        [=](std::size_t i) { return fast_exp(segment[i] - maximum); }));
  }
  return {maximum, static_cast<float>(sum)};
}

KOKKOS_INLINE_FUNCTION float row_loss(const RowSoftmax& row, float target_logit) {
  return fast_log(row.sum) + (row.maximum - target_logit);
}

}  // namespace

void cross_entropy_forward(std::size_t rows, std::size_t vocabulary, const float* logits,
                           const std::int32_t* targets, float* losses) {
  for_each(
      "isoflop::cross_entropy_forward", rows, KOKKOS_LAMBDA(std::size_t row) {
        const float* values = logits + row * vocabulary;
        losses[row] = row_loss(row_softmax(vocabulary, values), values[targets[row]]);
      });
}

template <class T>
void cross_entropy_backward(std::size_t rows, std::size_t vocabulary, const float* logits,
                            const std::int32_t* targets, float scale, float* losses, T* d_logits) {
  for_each(
      "isoflop::cross_entropy_backward", rows, KOKKOS_LAMBDA(std::size_t row) {
        const float* values = logits + row * vocabulary;
        T* gradient = d_logits + row * vocabulary;
        const RowSoftmax found = row_softmax(vocabulary, values);
        const float target_logit = values[targets[row]];
        const float factor = scale / found.sum;
        losses[row] = row_loss(found, target_logit);
        ISOFLOP_INDEPENDENT
        for (std::size_t i = 0; i < vocabulary; ++i) {
          gradient[i] = T(fast_exp(values[i] - found.maximum) * factor);
        }
        gradient[targets[row]] = T(fast_exp(target_logit - found.maximum) * factor - scale);
      });
}

template void cross_entropy_backward(std::size_t, std::size_t, const float*, const std::int32_t*,
                                     float, float*, float*);
template void cross_entropy_backward(std::size_t, std::size_t, const float*, const std::int32_t*,
                                     float, float*, bf16*);

}  // namespace isoflop::kernels::kokkos
