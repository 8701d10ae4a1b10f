#include "kernels/kokkos/norm.hpp"

#include "core/integers.hpp"
#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::kokkos {
namespace {

constexpr std::size_t kRowBlock = 64;

std::size_t row_blocks(const NormShape& shape) { return ceil_div(shape.rows, kRowBlock); }
std::size_t partial_rows(const NormShape& shape) { return shape.kind == NormKind::layer ? 2 : 1; }

template <class T>
KOKKOS_INLINE_FUNCTION float load(const T* values, std::size_t i) {
  return static_cast<float>(values[i]);
}

/// sum = x + delta, as stored; returns where the row to be normalised lies.
template <class T>
KOKKOS_INLINE_FUNCTION const T* add_row(std::size_t width, const T* x, const T* delta, T* sum) {
  if (delta == nullptr) return x;
  ISOFLOP_INDEPENDENT
  for (std::size_t i = 0; i < width; ++i) sum[i] = T(load(x, i) + load(delta, i));
  return sum;
}

template <NormKind kind>
KOKKOS_INLINE_FUNCTION float centred(float value, float mean) {
  return kind == NormKind::layer ? value - mean : value;
}

struct RowStatistics {
  float mean;
  float inverse;
};

template <NormKind kind, class T>
KOKKOS_INLINE_FUNCTION RowStatistics row_statistics(std::size_t width, const T* row) {
  const float scale = 1.0f / static_cast<float>(width);
  float mean = 0.0f;
  if constexpr (kind == NormKind::layer) {
    mean = scale * lane_sum<float>(width, [=](std::size_t i) { return load(row, i); });
  }
  const float squares = lane_sum<float>(width, [=](std::size_t i) {
    const float value = centred<kind>(load(row, i), mean);
    return value * value;
  });
  return {mean, 1.0f / Kokkos::sqrt(squares * scale + kNormEpsilon)};
}

/// What one row needs in the backward pass: dx = inverse (g - mean_g - normal * mean_gn) with g =
/// dy * gain and normal = (x - mean) * inverse.
template <NormKind kind, class T>
struct BackwardRow {
  const T* x;
  const T* dy;
  float mean;
  float inverse;

  KOKKOS_FUNCTION float normal(std::size_t i) const {
    return centred<kind>(load(x, i), mean) * inverse;
  }
};

template <NormKind kind, class T>
KOKKOS_INLINE_FUNCTION void row_gradient(std::size_t width, const BackwardRow<kind, T>& row,
                                         const T* gain, const T* d_residual, T* dx) {
  const float scale = 1.0f / static_cast<float>(width);
  float mean_g = 0.0f;
  if constexpr (kind == NormKind::layer) {
    mean_g = scale *
             lane_sum<float>(width, [=](std::size_t i) { return load(row.dy, i) * load(gain, i); });
  }
  const float mean_gn = scale * lane_sum<float>(width, [=](std::size_t i) {
                          return load(row.dy, i) * load(gain, i) * row.normal(i);
                        });
  if (d_residual == nullptr) {
    ISOFLOP_INDEPENDENT
    for (std::size_t i = 0; i < width; ++i) {
      const float g = load(row.dy, i) * load(gain, i);
      dx[i] = T(row.inverse * (centred<kind>(g, mean_g) - row.normal(i) * mean_gn));
    }
  } else {
    ISOFLOP_INDEPENDENT
    for (std::size_t i = 0; i < width; ++i) {
      const float g = load(row.dy, i) * load(gain, i);
      dx[i] = T(load(d_residual, i) +
                row.inverse * (centred<kind>(g, mean_g) - row.normal(i) * mean_gn));
    }
  }
}

template <NormKind kind, class T>
KOKKOS_INLINE_FUNCTION void add_parameter_gradients(std::size_t width,
                                                    const BackwardRow<kind, T>& row, float* d_gain,
                                                    float* d_bias) {
  ISOFLOP_INDEPENDENT
  for (std::size_t i = 0; i < width; ++i) d_gain[i] += load(row.dy, i) * row.normal(i);
  if constexpr (kind == NormKind::layer) {
    ISOFLOP_INDEPENDENT
    for (std::size_t i = 0; i < width; ++i) d_bias[i] += load(row.dy, i);
  }
}

/// target [width] += the blocks' partial sums, block after block.
void add_partial_sums(std::size_t blocks, std::size_t width, std::size_t stride,
                      const float* partial, float* target) {
  for_chunks(
      "isoflop::norm_backward_sum", width, KOKKOS_LAMBDA(std::size_t begin, std::size_t end) {
        for (std::size_t block = 0; block < blocks; ++block) {
          const float* row = partial + block * stride;
          ISOFLOP_INDEPENDENT
          for (std::size_t i = begin; i < end; ++i) target[i] += row[i];
        }
      });
}

template <NormKind kind, class T>
void forward_rows(const NormShape& shape, const T* x, const T* delta, const T* gain, const T* bias,
                  T* sum, T* y, float* statistics) {
  const std::size_t width = shape.width;
  for_each(
      "isoflop::norm_forward", shape.rows, KOKKOS_LAMBDA(std::size_t row) {
        const std::size_t at = row * width;
        const T* r = add_row(width, x + at, delta == nullptr ? nullptr : delta + at,
                             delta == nullptr ? nullptr : sum + at);
        const RowStatistics found = row_statistics<kind>(width, r);
        statistics[2 * row] = found.mean;
        statistics[2 * row + 1] = found.inverse;
        T* out = y + at;
        ISOFLOP_INDEPENDENT
        for (std::size_t i = 0; i < width; ++i) {
          const float scaled =
              centred<kind>(load(r, i), found.mean) * found.inverse * load(gain, i);
          out[i] = T(kind == NormKind::layer ? scaled + load(bias, i) : scaled);
        }
      });
}

template <NormKind kind, class T>
void backward_blocks(const NormShape& shape, const T* x, const T* gain, const float* statistics,
                     const T* dy, const T* d_residual, T* dx, float* partial) {
  const std::size_t width = shape.width, rows = shape.rows;
  const std::size_t stride = width * partial_rows(shape);
  for_each(
      "isoflop::norm_backward", row_blocks(shape), KOKKOS_LAMBDA(std::size_t block) {
        float* block_gain = partial + block * stride;
        float* block_bias = block_gain + width;  // for layer
        for (std::size_t i = 0; i < stride; ++i) block_gain[i] = 0.0f;
        const std::size_t begin = block * kRowBlock;
        const std::size_t end = begin + kRowBlock < rows ? begin + kRowBlock : rows;
        for (std::size_t r = begin; r < end; ++r) {
          const std::size_t at = r * width;
          const BackwardRow<kind, T> row{x + at, dy + at, statistics[2 * r], statistics[2 * r + 1]};
          add_parameter_gradients(width, row, block_gain, block_bias);
          row_gradient(width, row, gain, d_residual == nullptr ? nullptr : d_residual + at,
                       dx + at);
        }
      });
}

}  // namespace

template <class T>
void norm_forward(const NormShape& shape, const T* x, const T* delta, const T* gain, const T* bias,
                  T* sum, T* y, float* statistics) {
  const auto run = shape.kind == NormKind::rms ? forward_rows<NormKind::rms, T>
                                               : forward_rows<NormKind::layer, T>;
  run(shape, x, delta, gain, bias, sum, y, statistics);
}

template <class T>
void norm_backward(const NormShape& shape, const T* x, const T* gain, const float* statistics,
                   const T* dy, const T* d_residual, T* dx, float* d_gain, float* d_bias,
                   float* partial) {
  const auto run = shape.kind == NormKind::rms ? backward_blocks<NormKind::rms, T>
                                               : backward_blocks<NormKind::layer, T>;
  run(shape, x, gain, statistics, dy, d_residual, dx, partial);
  const std::size_t blocks = row_blocks(shape), stride = shape.width * partial_rows(shape);
  add_partial_sums(blocks, shape.width, stride, partial, d_gain);
  if (shape.kind == NormKind::layer) {
    add_partial_sums(blocks, shape.width, stride, partial + shape.width, d_bias);
  }
}

std::size_t norm_workspace_bytes(const NormShape& shape) {
  return row_blocks(shape) * partial_rows(shape) * shape.width * sizeof(float);
}

template void norm_forward(const NormShape&, const float*, const float*, const float*, const float*,
                           float*, float*, float*);
template void norm_forward(const NormShape&, const bf16*, const bf16*, const bf16*, const bf16*,
                           bf16*, bf16*, float*);
template void norm_backward(const NormShape&, const float*, const float*, const float*,
                            const float*, const float*, float*, float*, float*, float*);
template void norm_backward(const NormShape&, const bf16*, const bf16*, const float*, const bf16*,
                            const bf16*, bf16*, float*, float*, float*);

}  // namespace isoflop::kernels::kokkos
