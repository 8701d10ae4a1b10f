// Attention of one key/value head and the query heads that share it, block by block: the order of
// products, written once for every arithmetic (attention_engine.hpp). Blocks of scores are held
// as [keys, queries]. Blocks above the diagonal are never computed; those on it are computed in
// strips, each without most of what is masked.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "kernels/cpu/attention_softmax.hpp"
#include "kernels/kokkos/math.hpp"

namespace isoflop::kernels::cpu {

/// Calls visit(first, strip) for the strips of a block: one strip unless on the diagonal.
template <class Engine, class Visit>
void for_strips(std::size_t size, bool diagonal, Visit visit) {
  const std::size_t strip = diagonal ? std::min(Engine::kStrip, size) : size;
  for (std::size_t first = 0; first < size; first += strip) {
    visit(first, std::min(strip, size - first));
  }
}

/// scores [keys, queries] = left [keys, channels] right [channels, queries].
template <class Engine>
void multiply_scores(const Engine& engine, const HeadExtent& extent, std::size_t keys,
                     std::size_t queries, bool diagonal, typename Engine::Left left,
                     typename Engine::Right right, Target scores) {
  for_strips<Engine>(keys, diagonal, [&](std::size_t first, std::size_t strip) {
    const std::size_t query = diagonal ? first : 0;
    engine.multiply(strip, queries - query, round_up(extent.width, Engine::kDepthPadding),
                    left.at(first, 0), right.at(0, query), scores.at(first, query), false);
  });
}

/// sums [channels, queries] (+)= left [channels, keys] weights [keys, queries].
template <class Engine>
void gather_from_keys(const Engine& engine, const HeadExtent& extent, std::size_t keys,
                      std::size_t queries, bool diagonal, typename Engine::Left left,
                      typename Engine::Right weights, Target sums, bool accumulate) {
  for_strips<Engine>(queries, diagonal, [&](std::size_t first, std::size_t strip) {
    const std::size_t depth = diagonal ? std::min(keys, first + strip) : keys;
    engine.multiply(extent.width, strip, depth, left, weights.at(0, first), sums.at(0, first),
                    accumulate);
  });
}

/// sums [keys, channels] (+)= weights [keys, queries] right [queries, channels].
template <class Engine>
void gather_from_queries(const Engine& engine, const HeadExtent& extent, std::size_t keys,
                         std::size_t queries, bool diagonal, typename Engine::Left weights,
                         typename Engine::Right right, Target sums, bool accumulate) {
  for_strips<Engine>(keys, diagonal, [&](std::size_t first, std::size_t strip) {
    const std::size_t query = diagonal ? first : 0;
    engine.multiply(strip, extent.channels(), queries - query, weights.at(first, query),
                    right.at(query, 0), sums.at(first, 0), accumulate);
  });
}

template <class EngineType>
class ForwardHead {
 public:
  using Engine = EngineType;

  ForwardHead(Arena& arena, const HeadExtent& extent)
      : extent_(extent),
        engine_(arena, extent),
        keys_(engine_, arena, extent, kLeft),
        values_(engine_, arena, extent, kLeftTransposed),
        queries_(engine_, arena, extent, kRightColumns),
        weights_(engine_, arena),
        sums_{arena.take<float>(extent.channels() * kBlock), kBlock} {}

  template <class T>
  void set_keys(HeadView<const T> keys, HeadView<const T> values) {
    keys_.pack(keys);
    values_.pack(values);
  }

  /// lse may hold fewer entries than the padded context.
  template <class T>
  void run(HeadView<const T> queries, HeadView<T> out, float* lse) {
    queries_.pack(queries);
    const float scale = 1.0f / std::sqrt(static_cast<float>(extent_.width));
    for (std::size_t block = 0; block < extent_.blocks(); ++block) {
      gather(block, scale * kLog2E);
      const std::size_t first = block * kBlock;
      for (std::size_t q = 0; q < std::min(kBlock, extent_.context - first); ++q) {
        lse[first + q] = state_.top[q] * scale + kokkos::fast_log(state_.total[q]);
      }
      for (std::size_t q = 0; q < extent_.block_size(block); ++q) {
        state_.total[q] = 1.0f / state_.total[q];
      }
      write_block(extent_, block, sums_, state_.total, out);
    }
  }

 private:
  void gather(std::size_t block, float scale) {
    const std::size_t queries = extent_.block_size(block);
    for (std::size_t other = 0; other <= block; ++other) {
      const bool diagonal = other == block;
      const std::size_t keys = extent_.block_size(other);
      multiply_scores(engine_, extent_, keys, queries, diagonal, keys_.left(other * kBlock),
                      queries_.right_columns(block), weights_.raw());
      softmax_block<Engine>(keys, queries, diagonal, other == 0, scale, extent_.width, state_,
                            weights_, sums_);
      gather_from_keys(engine_, extent_, keys, queries, diagonal,
                       values_.left_transposed(other * kBlock), weights_.right(keys, queries),
                       sums_, other > 0);
    }
  }

  HeadExtent extent_;
  Engine engine_;
  typename Engine::Tensor keys_, values_, queries_;
  typename Engine::Weights weights_;
  Target sums_;  // [channels, queries]
  SoftmaxState state_;
};

template <class EngineType>
class BackwardHead {
 public:
  using Engine = EngineType;

  BackwardHead(Arena& arena, const HeadExtent& extent)
      : extent_(extent),
        engine_(arena, extent),
        keys_(engine_, arena, extent, kLeft | kLeftTransposed),
        values_(engine_, arena, extent, kLeft),
        queries_(engine_, arena, extent, kRightColumns | kRightRows),
        d_out_(engine_, arena, extent, kRightColumns | kRightRows),
        weights_(engine_, arena),
        gradients_(engine_, arena),
        d_keys_(arena.take<float>(extent.tokens() * extent.channels())),
        d_values_(arena.take<float>(extent.tokens() * extent.channels())),
        d_queries_(arena.take<float>(extent.blocks() * kBlock * extent.channels())),
        lse_(arena.take<float>(extent.tokens())),
        mean_(arena.take<float>(extent.tokens())) {}

  template <class T>
  void set_keys(HeadView<const T> keys, HeadView<const T> values) {
    keys_.pack(keys);
    values_.pack(values);
  }

  /// Adds the gradients of keys and values of one query head to those of the `first` and later
  /// ones; writes the gradients of its queries.
  template <class T>
  void run(bool first, HeadView<const T> queries, HeadView<const T> out, HeadView<const T> d_out,
           const float* lse, HeadView<T> d_queries) {
    queries_.pack(queries);
    d_out_.pack(d_out);
    read_statistics(out, d_out, lse);
    const float scale = 1.0f / std::sqrt(static_cast<float>(extent_.width));
    for (std::size_t block = 0; block < extent_.blocks(); ++block) {
      for (std::size_t later = block; later < extent_.blocks(); ++later) {
        visit(block, later, scale * kLog2E, first && later == block);
      }
    }
    for (std::size_t block = 0; block < extent_.blocks(); ++block) {
      float scales[kBlock];
      std::fill_n(scales, kBlock, scale);
      write_block(extent_, block, Target{d_queries_ + block * kBlock * extent_.channels(), kBlock},
                  scales, d_queries);
    }
  }

  template <class T>
  void write_keys(HeadView<T> d_keys, HeadView<T> d_values) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(extent_.width));
    write_rows(extent_, scale, d_keys_, d_keys);
    write_rows(extent_, 1.0f, d_values_, d_values);
  }

 private:
  /// One block of keys and one of queries: everything that their weights take part in.
  void visit(std::size_t block, std::size_t later, float scale, bool first) {
    const bool diagonal = block == later;
    const std::size_t keys = extent_.block_size(block), queries = extent_.block_size(later);
    const std::size_t key = block * kBlock, query = later * kBlock;
    const std::size_t channels = extent_.channels();
    multiply_scores(engine_, extent_, keys, queries, diagonal, keys_.left(key),
                    queries_.right_columns(later), weights_.raw());
    multiply_scores(engine_, extent_, keys, queries, diagonal, values_.left(key),
                    d_out_.right_columns(later), gradients_.raw());
    softmax_backward_block<Engine>(keys, queries, diagonal, scale, lse_ + query, mean_ + query,
                                   weights_, gradients_);
    gather_from_queries(engine_, extent_, keys, queries, diagonal, weights_.left(),
                        d_out_.right_rows(query), Target{d_values_ + key * channels, channels},
                        !first);
    gather_from_queries(engine_, extent_, keys, queries, diagonal, gradients_.left(),
                        queries_.right_rows(query), Target{d_keys_ + key * channels, channels},
                        !first);
    gather_from_keys(engine_, extent_, keys, queries, diagonal, keys_.left_transposed(key),
                     gradients_.right(keys, queries), Target{d_queries_ + query * channels, kBlock},
                     block > 0);
  }

  /// lse in powers of two, and sum_j p_ij dp_ij = out_i . d_out_i; zero for padding.
  template <class T>
  void read_statistics(HeadView<const T> out, HeadView<const T> d_out, const float* lse) {
    for (std::size_t t = 0; t < extent_.tokens(); ++t) {
      lse_[t] = t < extent_.context ? lse[t] * kLog2E : 0.0f;
    }
    for (std::size_t token = 0; token < extent_.tokens(); token += kLanes) {
      Lanes products[kLanes];
      for (std::size_t t = 0; t < kLanes; ++t) {
        for (std::size_t c = 0; c < extent_.width; c += kLanes) {
          prefetch_row(extent_, out, token + kLanes + t, c);
        }
        products[t] = token + t < extent_.context
                          ? channel_products(out.data + (token + t) * out.stride,
                                             d_out.data + (token + t) * d_out.stride)
                          : broadcast(0.0f);
      }
      transpose(products);
      Lanes total = products[0];
      for (std::size_t c = 1; c < kLanes; ++c) total = total + products[c];
      store(mean_ + token, total);
    }
  }

  /// Sixteen partial sums of a dot product of two rows.
  template <class T>
  Lanes channel_products(const T* a, const T* b) const {
    Lanes total = broadcast(0.0f);
    for (std::size_t c = 0; c < extent_.width; c += kLanes) {
      const std::size_t count = std::min(kLanes, extent_.width - c);
      total = fma(load_some(a + c, count), load_some(b + c, count), total);
    }
    return total;
  }

  HeadExtent extent_;
  Engine engine_;
  typename Engine::Tensor keys_, values_, queries_, d_out_;
  typename Engine::Weights weights_, gradients_;
  float *d_keys_, *d_values_;  // [tokens, channels]
  float* d_queries_;           // [blocks][channels, queries]
  float *lse_, *mean_;         // [tokens]
};

}  // namespace isoflop::kernels::cpu
