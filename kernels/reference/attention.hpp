// Plain double loops for kernels/api/attention.hpp: the judge in tests. Here T x T rows are
// materialised, one at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/api/attention.hpp"

namespace isoflop::kernels::reference {

/// Where the rows of one (sequence, query head) lie inside qkv, and how they are scaled.
struct HeadRows {
  HeadRows(const AttentionShape& shape, std::size_t sequence, std::size_t head)
      : stride(shape.qkv_width()),
        width(shape.head_width),
        query(sequence * shape.context * stride + head * width),
        key(sequence * shape.context * stride +
            (shape.heads + head / (shape.heads / shape.kv_heads)) * width),
        value(key + shape.kv_heads * width),
        scale(1.0 / std::sqrt(static_cast<double>(width))) {}

  std::size_t stride, width, query, key, value;
  double scale;
};

inline double dot(const double* a, const double* b, std::size_t count) {
  double sum = 0.0;
  for (std::size_t c = 0; c < count; ++c) sum += a[c] * b[c];
  return sum;
}

inline void attention_forward(const AttentionShape& shape, const double* qkv, double* out,
                              double* lse) {
  std::vector<double> scores(shape.context);
  for (std::size_t b = 0; b < shape.batch; ++b) {
    for (std::size_t h = 0; h < shape.heads; ++h) {
      const HeadRows rows(shape, b, h);
      for (std::size_t i = 0; i < shape.context; ++i) {
        const double* query = qkv + rows.query + i * rows.stride;
        for (std::size_t j = 0; j <= i; ++j) {
          scores[j] = dot(query, qkv + rows.key + j * rows.stride, rows.width) * rows.scale;
        }
        const double top = *std::max_element(scores.begin(), scores.begin() + i + 1);
        double sum = 0.0;
        for (std::size_t j = 0; j <= i; ++j) sum += std::exp(scores[j] - top);
        lse[(b * shape.heads + h) * shape.context + i] = top + std::log(sum);

        double* result = out + (b * shape.context + i) * shape.out_width() + h * rows.width;
        std::fill_n(result, rows.width, 0.0);
        for (std::size_t j = 0; j <= i; ++j) {
          const double p = std::exp(scores[j] - top) / sum;
          const double* value = qkv + rows.value + j * rows.stride;
          for (std::size_t c = 0; c < rows.width; ++c) result[c] += p * value[c];
        }
      }
    }
  }
}

inline void attention_backward(const AttentionShape& shape, const double* qkv, const double* out,
                               const double* lse, const double* d_out, double* d_qkv) {
  std::fill_n(d_qkv, shape.batch * shape.context * shape.qkv_width(), 0.0);
  for (std::size_t b = 0; b < shape.batch; ++b) {
    for (std::size_t h = 0; h < shape.heads; ++h) {
      const HeadRows rows(shape, b, h);
      for (std::size_t i = 0; i < shape.context; ++i) {
        const std::size_t row = (b * shape.context + i) * shape.out_width() + h * rows.width;
        const double mean = dot(d_out + row, out + row, rows.width);
        const double* query = qkv + rows.query + i * rows.stride;
        const double log_sum = lse[(b * shape.heads + h) * shape.context + i];
        for (std::size_t j = 0; j <= i; ++j) {
          const double* key = qkv + rows.key + j * rows.stride;
          const double* value = qkv + rows.value + j * rows.stride;
          const double p = std::exp(dot(query, key, rows.width) * rows.scale - log_sum);
          const double d_score = p * (dot(d_out + row, value, rows.width) - mean) * rows.scale;
          for (std::size_t c = 0; c < rows.width; ++c) {
            d_qkv[rows.query + i * rows.stride + c] += d_score * key[c];
            d_qkv[rows.key + j * rows.stride + c] += d_score * query[c];
            d_qkv[rows.value + j * rows.stride + c] += p * d_out[row + c];
          }
        }
      }
    }
  }
}

}  // namespace isoflop::kernels::reference
