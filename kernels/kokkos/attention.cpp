#include "kernels/kokkos/attention.hpp"

#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::kokkos {
namespace {

/// What every work item needs to find its rows.
struct Layout {
  explicit Layout(const AttentionShape& shape)
      : context(shape.context),
        heads(shape.heads),
        kv_heads(shape.kv_heads),
        group(shape.heads / shape.kv_heads),
        width(shape.head_width),
        qkv_stride(shape.qkv_width()),
        out_stride(shape.out_width()),
        scale(1.0f / Kokkos::sqrt(static_cast<float>(shape.head_width))) {}

  KOKKOS_INLINE_FUNCTION std::size_t query(std::size_t b, std::size_t h, std::size_t i) const {
    return (b * context + i) * qkv_stride + h * width;
  }
  KOKKOS_INLINE_FUNCTION std::size_t key(std::size_t b, std::size_t kv, std::size_t j) const {
    return query(b, heads + kv, j);
  }
  KOKKOS_INLINE_FUNCTION std::size_t value(std::size_t b, std::size_t kv, std::size_t j) const {
    return query(b, heads + kv_heads + kv, j);
  }
  KOKKOS_INLINE_FUNCTION std::size_t out(std::size_t b, std::size_t h, std::size_t i) const {
    return (b * context + i) * out_stride + h * width;
  }
  KOKKOS_INLINE_FUNCTION std::size_t lse(std::size_t b, std::size_t h, std::size_t i) const {
    return (b * heads + h) * context + i;
  }

  std::size_t context, heads, kv_heads, group, width, qkv_stride, out_stride;
  float scale;
};

template <class T>
KOKKOS_INLINE_FUNCTION float dot(const T* a, const T* b, std::size_t count) {
  return lane_sum<float>(
      count, [=](std::size_t c) { return static_cast<float>(a[c]) * static_cast<float>(b[c]); });
}

template <class T>
KOKKOS_INLINE_FUNCTION void add_scaled(float factor, const T* row, std::size_t count, float* sum) {
  for (std::size_t c = 0; c < count; ++c) sum[c] += factor * static_cast<float>(row[c]);
}

template <class T>
KOKKOS_INLINE_FUNCTION void store(const float* row, float factor, std::size_t count, T* target) {
  for (std::size_t c = 0; c < count; ++c) target[c] = T(row[c] * factor);
}

/// Online softmax over the keys of one query.
template <class T>
struct ForwardOfQuery {
  KOKKOS_INLINE_FUNCTION void operator()(std::size_t item) const {
    const std::size_t i = item % at.context, h = item / at.context % at.heads;
    const std::size_t b = item / (at.context * at.heads), kv = h / at.group;
    const T* query = qkv + at.query(b, h, i);
    float sum[kWidestHead] = {}, top = -INFINITY, total = 0.0f;
    for (std::size_t j = 0; j <= i; ++j) {
      const float score = dot(query, qkv + at.key(b, kv, j), at.width) * at.scale;
      if (score > top) {
        const float shrink = Kokkos::exp(top - score);
        top = score;
        total *= shrink;
        for (std::size_t c = 0; c < at.width; ++c) sum[c] *= shrink;
      }
      const float weight = Kokkos::exp(score - top);
      total += weight;
      add_scaled(weight, qkv + at.value(b, kv, j), at.width, sum);
    }
    lse[at.lse(b, h, i)] = top + Kokkos::log(total);
    store(sum, 1.0f / total, at.width, out + at.out(b, h, i));
  }

  Layout at;
  const T* qkv;
  T* out;
  float* lse;
};

template <class T>
struct GradientOfScore {
  /// p and dL/ds of one (query, key).
  KOKKOS_INLINE_FUNCTION void operator()(std::size_t b, std::size_t h, std::size_t i, std::size_t j,
                                         float& p, float& d_score) const {
    const std::size_t kv = h / at.group;
    const T* query = qkv + at.query(b, h, i);
    const float score = dot(query, qkv + at.key(b, kv, j), at.width) * at.scale;
    const float d_p = dot(d_out + at.out(b, h, i), qkv + at.value(b, kv, j), at.width);
    p = Kokkos::exp(score - lse[at.lse(b, h, i)]);
    d_score = p * (d_p - mean_gradient[at.lse(b, h, i)]) * at.scale;
  }

  Layout at;
  const T* qkv;
  const float* lse;
  const T* d_out;
  float* mean_gradient;  // sum_j p_ij dp_ij = out_i . d_out_i
};

template <class T>
struct BackwardOfQuery {
  KOKKOS_INLINE_FUNCTION void operator()(std::size_t item) const {
    const Layout& at = gradient.at;
    const std::size_t i = item % at.context, h = item / at.context % at.heads;
    const std::size_t b = item / (at.context * at.heads), kv = h / at.group;
    const std::size_t row = at.out(b, h, i);
    gradient.mean_gradient[at.lse(b, h, i)] = dot(gradient.d_out + row, out + row, at.width);
    float sum[kWidestHead] = {};
    for (std::size_t j = 0; j <= i; ++j) {
      float p, d_score;
      gradient(b, h, i, j, p, d_score);
      add_scaled(d_score, gradient.qkv + at.key(b, kv, j), at.width, sum);
    }
    store(sum, 1.0f, at.width, d_qkv + at.query(b, h, i));
  }

  GradientOfScore<T> gradient;
  const T* out;
  T* d_qkv;
};

template <class T>
struct BackwardOfKey {
  KOKKOS_INLINE_FUNCTION void operator()(std::size_t item) const {
    const Layout& at = gradient.at;
    const std::size_t j = item % at.context, kv = item / at.context % at.kv_heads;
    const std::size_t b = item / (at.context * at.kv_heads);
    float key_sum[kWidestHead] = {}, value_sum[kWidestHead] = {};
    for (std::size_t h = kv * at.group; h < (kv + 1) * at.group; ++h) {
      for (std::size_t i = j; i < at.context; ++i) {
        float p, d_score;
        gradient(b, h, i, j, p, d_score);
        add_scaled(d_score, gradient.qkv + at.query(b, h, i), at.width, key_sum);
        add_scaled(p, gradient.d_out + at.out(b, h, i), at.width, value_sum);
      }
    }
    store(key_sum, 1.0f, at.width, d_qkv + at.key(b, kv, j));
    store(value_sum, 1.0f, at.width, d_qkv + at.value(b, kv, j));
  }

  GradientOfScore<T> gradient;
  T* d_qkv;
};

}  // namespace

template <class T>
void attention_forward(const AttentionShape& shape, const T* qkv, T* out, float* lse) {
  for_each("isoflop::attention_forward", shape.batch * shape.heads * shape.context,
           ForwardOfQuery<T>{Layout(shape), qkv, out, lse});
}

template <class T>
void attention_backward(const AttentionShape& shape, const T* qkv, const T* out, const float* lse,
                        const T* d_out, float* mean_gradient, T* d_qkv) {
  const GradientOfScore<T> gradient{Layout(shape), qkv, lse, d_out, mean_gradient};
  for_each("isoflop::attention_backward_queries", shape.batch * shape.heads * shape.context,
           BackwardOfQuery<T>{gradient, out, d_qkv});
  for_each("isoflop::attention_backward_keys", shape.batch * shape.kv_heads * shape.context,
           BackwardOfKey<T>{gradient, d_qkv});
}

template void attention_forward(const AttentionShape&, const float*, float*, float*);
template void attention_forward(const AttentionShape&, const bf16*, bf16*, float*);
template void attention_backward(const AttentionShape&, const float*, const float*, const float*,
                                 const float*, float*, float*);
template void attention_backward(const AttentionShape&, const bf16*, const bf16*, const float*,
                                 const bf16*, float*, bf16*);

}  // namespace isoflop::kernels::kokkos
