// Three passes over a row, which stays in the second-level cache: its maximum, the sum of
// exponentials, and (backward) the gradient. The backward pass keeps the exponentials where the
// logits were.
#include "kernels/kokkos/cross_entropy.hpp"

#include "kernels/kokkos/loops.hpp"
#include "kernels/kokkos/math.hpp"

namespace isoflop::kernels::kokkos {
namespace {

constexpr std::size_t kSumSegment = 1024;  // logits summed in float before double takes over

/// Orders floats as integers, whose maximum vectorises and does not depend on the order: NaN with a
/// sign bit, -infinity, ..., -0, +0, ..., infinity, NaN. Its own inverse on the bits.
KOKKOS_INLINE_FUNCTION std::int32_t ordered(std::int32_t bits) {
  return bits ^ ((bits >> 31) & 0x7FFFFFFF);
}

/// The largest of the logits; NaN unless all are finite.
KOKKOS_INLINE_FUNCTION float finite_maximum(std::size_t count, const float* logits) {
  constexpr std::int32_t infinity = 0x7F800000;
  std::int32_t high = -infinity - 1, low = infinity;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t key = ordered(__builtin_bit_cast(std::int32_t, logits[i]));
    high = key > high ? key : high;
    low = key < low ? key : low;
  }
  const bool finite = high < infinity && low > -infinity - 1;
  return finite ? __builtin_bit_cast(float, ordered(high)) : __builtin_nanf("");
}

struct RowSoftmax {
  float maximum;
  float sum;  // of exp(logit - maximum)
};

/// The exponential of a logit of which nothing else is wanted.
struct Forget {
  KOKKOS_FUNCTION float operator()(const float*, float exponential) const { return exponential; }
};

/// The exponential of a logit, which also takes its place.
struct Keep {
  KOKKOS_FUNCTION float operator()(float* logit, float exponential) const {
    *logit = exponential;
    return exponential;
  }
};

template <class Use, class Logit>
KOKKOS_INLINE_FUNCTION RowSoftmax row_softmax(std::size_t count, Logit* logits) {
  const float maximum = finite_maximum(count, logits);
  double sum = 0.0;
  for (std::size_t begin = 0; begin < count; begin += kSumSegment) {
    Logit* segment = logits + begin;
    const std::size_t left = count - begin;
    sum += static_cast<double>(lane_sum<float>(
        left < kSumSegment ? left : kSumSegment,
        [=](std::size_t i) { return Use()(segment + i, fast_exp(segment[i] - maximum)); }));
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
        losses[row] = row_loss(row_softmax<Forget>(vocabulary, values), values[targets[row]]);
      });
}

template <class T>
void cross_entropy_backward(std::size_t rows, std::size_t vocabulary, float* logits,
                            const std::int32_t* targets, float scale, float* losses, T* d_logits) {
  for_each(
      "isoflop::cross_entropy_backward", rows, KOKKOS_LAMBDA(std::size_t row) {
        float* values = logits + row * vocabulary;
        T* gradient = d_logits + row * vocabulary;
        const float target_logit = values[targets[row]];
        const RowSoftmax found = row_softmax<Keep>(vocabulary, values);
        const float target_exponential = values[targets[row]];
        const float factor = scale / found.sum;
        losses[row] = row_loss(found, target_logit);
        ISOFLOP_INDEPENDENT
        for (std::size_t i = 0; i < vocabulary; ++i) {
          gradient[i] = T(values[i] * factor);
        }
        gradient[targets[row]] = T(target_exponential * factor - scale);
      });
}

void cross_entropy_piece(std::size_t rows, std::size_t first, std::size_t count, float* logits,
                         const std::int32_t* targets, SoftmaxPiece* pieces) {
  for_each(
      "isoflop::cross_entropy_piece", rows, KOKKOS_LAMBDA(std::size_t row) {
        float* values = logits + row * count;
        const std::size_t target = static_cast<std::size_t>(targets[row]) - first;
        const float target_logit = target < count ? values[target] : 0.0f;
        const RowSoftmax found = row_softmax<Keep>(count, values);
        pieces[row] = {found.maximum, found.sum, target_logit};
      });
}

void cross_entropy_join(std::size_t rows, std::size_t count, const SoftmaxPiece* pieces,
                        SoftmaxPiece* whole, float* losses) {
  for_each(
      "isoflop::cross_entropy_join", rows, KOKKOS_LAMBDA(std::size_t row) {
        float maximum = pieces[row].maximum, target = pieces[row].target;
        for (std::size_t i = row + rows; i < count * rows; i += rows) {
          maximum = pieces[i].maximum > maximum ? pieces[i].maximum : maximum;
          target += pieces[i].target;
        }
        double sum = 0.0;  // NaN if any piece's maximum is
        for (std::size_t i = row; i < count * rows; i += rows)
          sum += static_cast<double>(pieces[i].sum * fast_exp(pieces[i].maximum - maximum));
        whole[row] = {maximum, static_cast<float>(sum), target};
        losses[row] = row_loss({maximum, whole[row].sum}, target);
      });
}

template <class T>
void cross_entropy_piece_gradient(std::size_t rows, std::size_t first, std::size_t count,
                                  const float* exponentials, const std::int32_t* targets,
                                  const SoftmaxPiece* piece, const SoftmaxPiece* whole, float scale,
                                  T* d_logits) {
  for_each(
      "isoflop::cross_entropy_piece_gradient", rows, KOKKOS_LAMBDA(std::size_t row) {
        const float* values = exponentials + row * count;
        T* gradient = d_logits + row * count;
        const std::size_t target = static_cast<std::size_t>(targets[row]) - first;
        const float target_exponential = target < count ? values[target] : 0.0f;
        const float factor =
            scale * fast_exp(piece[row].maximum - whole[row].maximum) / whole[row].sum;
        ISOFLOP_INDEPENDENT
        for (std::size_t i = 0; i < count; ++i) {
          gradient[i] = T(values[i] * factor);
        }
        if (target < count) gradient[target] = T(target_exponential * factor - scale);
      });
}

template void cross_entropy_piece_gradient(std::size_t, std::size_t, std::size_t, const float*,
                                           const std::int32_t*, const SoftmaxPiece*,
                                           const SoftmaxPiece*, float, float*);
template void cross_entropy_piece_gradient(std::size_t, std::size_t, std::size_t, const float*,
                                           const std::int32_t*, const SoftmaxPiece*,
                                           const SoftmaxPiece*, float, bf16*);
template void cross_entropy_backward(std::size_t, std::size_t, float*, const std::int32_t*, float,
                                     float*, float*);
template void cross_entropy_backward(std::size_t, std::size_t, float*, const std::int32_t*, float,
                                     float*, bf16*);

}  // namespace isoflop::kernels::kokkos
