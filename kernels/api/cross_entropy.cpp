#include "kernels/api/cross_entropy.hpp"

#include "kernels/api/stream_check.hpp"
#include "kernels/kokkos/cross_entropy.hpp"

namespace isoflop::kernels {

void cross_entropy_forward(device::Stream& stream, std::size_t rows, std::size_t vocabulary,
                           const float* logits, const std::int32_t* targets, float* losses) {
  require_cpu(stream, "cross_entropy_forward");
  ISOFLOP_EXPECT(vocabulary > 0);
  kokkos::cross_entropy_forward(rows, vocabulary, logits, targets, losses);
}

template <class T>
void cross_entropy_backward(device::Stream& stream, std::size_t rows, std::size_t vocabulary,
                            float* logits, const std::int32_t* targets, float scale, float* losses,
                            T* d_logits) {
  require_cpu(stream, "cross_entropy_backward");
  ISOFLOP_EXPECT(vocabulary > 0);
  kokkos::cross_entropy_backward(rows, vocabulary, logits, targets, scale, losses, d_logits);
}

void cross_entropy_piece(device::Stream& stream, std::size_t rows, std::size_t first,
                         std::size_t count, float* logits, const std::int32_t* targets,
                         SoftmaxPiece* pieces) {
  require_cpu(stream, "cross_entropy_piece");
  ISOFLOP_EXPECT(count > 0);
  kokkos::cross_entropy_piece(rows, first, count, logits, targets, pieces);
}

void cross_entropy_join(device::Stream& stream, std::size_t rows, std::size_t count,
                        const SoftmaxPiece* pieces, SoftmaxPiece* whole, float* losses) {
  require_cpu(stream, "cross_entropy_join");
  ISOFLOP_EXPECT(count > 0);
  kokkos::cross_entropy_join(rows, count, pieces, whole, losses);
}

template <class T>
void cross_entropy_piece_gradient(device::Stream& stream, std::size_t rows, std::size_t first,
                                  std::size_t count, const float* exponentials,
                                  const std::int32_t* targets, const SoftmaxPiece* piece,
                                  const SoftmaxPiece* whole, float scale, T* d_logits) {
  require_cpu(stream, "cross_entropy_piece_gradient");
  kokkos::cross_entropy_piece_gradient(rows, first, count, exponentials, targets, piece, whole,
                                       scale, d_logits);
}

template void cross_entropy_piece_gradient(device::Stream&, std::size_t, std::size_t, std::size_t,
                                           const float*, const std::int32_t*, const SoftmaxPiece*,
                                           const SoftmaxPiece*, float, float*);
template void cross_entropy_piece_gradient(device::Stream&, std::size_t, std::size_t, std::size_t,
                                           const float*, const std::int32_t*, const SoftmaxPiece*,
                                           const SoftmaxPiece*, float, bf16*);
template void cross_entropy_backward(device::Stream&, std::size_t, std::size_t, float*,
                                     const std::int32_t*, float, float*, float*);
template void cross_entropy_backward(device::Stream&, std::size_t, std::size_t, float*,
                                     const std::int32_t*, float, float*, bf16*);

}  // namespace isoflop::kernels
