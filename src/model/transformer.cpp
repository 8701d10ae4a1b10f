#include "model/transformer.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "kernels/api/activation.hpp"
#include "kernels/api/attention.hpp"
#include "kernels/api/cross_entropy.hpp"
#include "kernels/api/embedding.hpp"
#include "kernels/api/matmul.hpp"
#include "kernels/api/norm.hpp"
#include "kernels/api/optimizer.hpp"
#include "kernels/api/rope.hpp"

namespace isoflop::model {
namespace {

using profile::Region;
using profile::Scope;

// FLOP of attention's products in the forward pass of `batch` sequences; causal pairs only.
double attention_forward_flops(const ModelConfig& c, std::size_t batch) {
  const double pairs =
      static_cast<double>(c.context) * (static_cast<double>(c.context) + 1.0) / 2.0;
  return static_cast<double>(batch) * 4.0 * static_cast<double>(c.width) * pairs;
}

template <class T>
std::size_t workspace_bytes(const ModelConfig& c, std::size_t batch) {
  const std::size_t m = batch * c.context;
  const std::size_t chunk = head_chunk_rows(c, m);
  return std::max({kernels::matmul_workspace_bytes<T>({m, c.qkv_width(), c.width}),
                   kernels::matmul_workspace_bytes<T>({m, c.width, c.width}),
                   kernels::matmul_workspace_bytes<T>({m, c.up_width(), c.width}),
                   kernels::matmul_workspace_bytes<T>({m, c.width, c.feed_forward}),
                   kernels::matmul_workspace_bytes<T>({chunk, c.vocabulary, c.width}),
                   kernels::attention_workspace_bytes<T>(c.attention_shape(batch)),
                   kernels::norm_workspace_bytes({m, c.width, c.norm})});
}

float* lay_out_rope_table(device::Arena& arena, const ModelConfig& c) {
  return c.position == Position::rope ? arena.take<float>(c.context * c.head_width()) : nullptr;
}

template <class T>
std::size_t arena_bytes(const ModelConfig& config, std::size_t batch, Mode mode) {
  device::Arena counting;
  lay_out_activations<T>(counting, config, batch, mode);
  lay_out_rope_table(counting, config);
  return counting.used();
}

}  // namespace

template <class T>
Transformer<T>::Transformer(const ModelConfig& config, std::size_t batch, Mode mode,
                            profile::Profile& profile)
    : config_(config),
      table_(config),
      batch_(batch),
      mode_(mode),
      profile_(profile),
      arena_(arena_bytes<T>(config, batch, mode)),
      act_(lay_out_activations<T>(arena_, config, batch, mode)),
      rope_table_(lay_out_rope_table(arena_, config)),
      block_sums_((batch * config.context + kernels::kSumBlock - 1) / kernels::kSumBlock) {
  stream_.workspace(workspace_bytes<T>(config, batch));
  if (rope_table_ != nullptr)
    kernels::rope_table(stream_, config.context, config.head_width(), rope_table_);
}

template <class T>
std::size_t Transformer<T>::memory_bytes() const {
  return arena_.used() + stream_.workspace_bytes();
}

template <class T>
std::size_t Transformer<T>::memory_bytes(const ModelConfig& config, std::size_t batch, Mode mode) {
  return arena_bytes<T>(config, batch, mode) + workspace_bytes<T>(config, batch);
}

template <class T>
template <class Y>
void Transformer<T>::project(std::size_t m, std::size_t outputs, std::size_t inputs, const T* x,
                             const T* w, Y* y) {
  const Scope scope(profile_, Region::matmul, 2.0 * static_cast<double>(m * outputs * inputs));
  kernels::matmul_forward(stream_, {m, outputs, inputs}, x, w, y);
}

template <class T>
void Transformer<T>::project_back(std::size_t m, std::size_t outputs, std::size_t inputs,
                                  const T* dy, const T* x, const T* w, T* dx, float* dw) {
  const Scope scope(profile_, Region::matmul, 4.0 * static_cast<double>(m * outputs * inputs));
  kernels::matmul_weight_gradient(stream_, {m, outputs, inputs}, dy, x, dw);
  kernels::matmul_data_gradient(stream_, {m, outputs, inputs}, dy, w, dx);
}

template <class T>
void Transformer<T>::add_and_norm(const T* weights, const NormOffsets& offsets, std::size_t m,
                                  const T* x, const T* delta, T* sum, T* y, float* statistics) {
  const Scope scope(profile_, Region::norm);
  const bool biased = config_.norm == kernels::NormKind::layer;
  kernels::norm_forward(stream_, {m, config_.width, config_.norm}, x, delta, weights + offsets.gain,
                        biased ? weights + offsets.bias : nullptr, sum, y, statistics);
}

template <class T>
void Transformer<T>::norm_back(const T* weights, const NormOffsets& offsets, std::size_t m,
                               const T* x, const float* statistics, const T* d_residual,
                               float* gradient) {
  const Scope scope(profile_, Region::norm);
  const bool biased = config_.norm == kernels::NormKind::layer;
  kernels::norm_backward(stream_, {m, config_.width, config_.norm}, x, weights + offsets.gain,
                         statistics, act_.d_normed, d_residual, act_.d_residual,
                         gradient + offsets.gain, biased ? gradient + offsets.bias : nullptr);
}

template <class T>
void Transformer<T>::forward_block(const T* weights, std::size_t layer, std::size_t batch) {
  const auto& c = config_;
  const BlockOffsets& at = table_.block(layer);
  const auto& block = act_.blocks[layer];
  const std::size_t m = batch * c.context;
  if (layer == 0) {
    add_and_norm(weights, at.attention_norm, m, block.x, nullptr, nullptr, block.normed,
                 block.statistics);
  } else {
    add_and_norm(weights, at.attention_norm, m, act_.blocks[layer - 1].x_middle, act_.branch,
                 block.x, block.normed, block.statistics);
  }
  project(m, c.qkv_width(), c.width, block.normed, weights + at.qkv, block.qkv);
  if (rope_table_ != nullptr) {
    const Scope scope(profile_, Region::rope);
    kernels::rope_forward(stream_, c.attention_shape(batch), rope_table_, block.qkv);
  }
  {
    const Scope scope(profile_, Region::attention, attention_forward_flops(c, batch));
    kernels::attention_forward(stream_, c.attention_shape(batch), block.qkv, block.attended,
                               block.lse);
  }
  project(m, c.width, c.width, block.attended, weights + at.attention_out, act_.branch);
  add_and_norm(weights, at.feed_forward_norm, m, block.x, act_.branch, block.x_middle,
               block.normed_middle, block.statistics_middle);
  project(m, c.up_width(), c.width, block.normed_middle, weights + at.up, block.up);
  {
    const Scope scope(profile_, Region::activation);
    if (c.activation == Activation::gelu) {
      kernels::gelu_forward(stream_, m * c.feed_forward, block.up, block.active);
    } else {
      kernels::swiglu_forward(stream_, m, c.feed_forward, block.up, block.active);
    }
  }
  project(m, c.width, c.feed_forward, block.active, weights + at.down, act_.branch);
}

template <class T>
void Transformer<T>::forward(const T* weights, std::span<const std::int32_t> tokens) {
  const std::size_t batch = tokens.size() / config_.context;
  ISOFLOP_EXPECT(batch * config_.context == tokens.size() && batch >= 1 && batch <= batch_);
  {
    const Scope scope(profile_, Region::embedding);
    const bool learned = config_.position == Position::learned;
    kernels::embedding_forward(stream_, {batch, config_.context, config_.width}, tokens.data(),
                               weights + table_.token_embedding(),
                               learned ? weights + table_.position_embedding() : nullptr,
                               act_.blocks[0].x);
  }
  for (std::size_t layer = 0; layer < config_.layers; ++layer) forward_block(weights, layer, batch);
  add_and_norm(weights, table_.final_norm(), tokens.size(), act_.blocks.back().x_middle,
               act_.branch, act_.x_final, act_.normed_final, act_.statistics_final);
}

template <class T>
double Transformer<T>::sum_losses(std::size_t count) {
  kernels::block_sums(stream_, count, act_.losses, block_sums_.data());
  double total = 0.0;
  for (std::size_t block = 0; block * kernels::kSumBlock < count; ++block)
    total += block_sums_[block];
  return total;
}

template <class T>
double Transformer<T>::evaluate_batch(const T* weights, std::span<const std::int32_t> tokens,
                                      std::span<const std::int32_t> targets) {
  forward(weights, tokens);
  const std::size_t chunk = head_chunk_rows(config_, tokens.size());
  for (std::size_t row = 0; row < tokens.size(); row += chunk) {
    const std::size_t rows = std::min(chunk, tokens.size() - row);
    project(rows, config_.vocabulary, config_.width, act_.normed_final + row * config_.width,
            weights + table_.head(), act_.logits);
    const Scope scope(profile_, Region::loss);
    kernels::cross_entropy_forward(stream_, rows, config_.vocabulary, act_.logits,
                                   targets.data() + row, act_.losses + row);
  }
  return sum_losses(tokens.size());
}

// The head's forward and backward products run together, chunk by chunk, since the loss is a plain
// sum over rows.
template <class T>
void Transformer<T>::head_and_its_gradient(const T* weights, std::span<const std::int32_t> targets,
                                           float* gradient) {
  const std::size_t d = config_.width;
  const std::size_t chunk = head_chunk_rows(config_, targets.size());
  const T* head = weights + table_.head();
  for (std::size_t row = 0; row < targets.size(); row += chunk) {
    const std::size_t rows = std::min(chunk, targets.size() - row);
    const T* normed = act_.normed_final + row * d;
    project(rows, config_.vocabulary, d, normed, head, act_.logits);
    {
      const Scope scope(profile_, Region::loss);
      kernels::cross_entropy_backward(stream_, rows, config_.vocabulary, act_.logits,
                                      targets.data() + row, 1.0f, act_.losses + row, act_.d_logits);
    }
    project_back(rows, config_.vocabulary, d, act_.d_logits, normed, head, act_.d_normed + row * d,
                 gradient + table_.head());
  }
}

template <class T>
void Transformer<T>::backward_block(const T* weights, std::size_t layer, std::size_t batch,
                                    float* gradient) {
  const auto& c = config_;
  const BlockOffsets& at = table_.block(layer);
  const auto& block = act_.blocks[layer];
  const std::size_t m = batch * c.context;
  project_back(m, c.width, c.feed_forward, act_.d_residual, block.active, weights + at.down,
               act_.d_inner, gradient + at.down);
  const bool gelu = c.activation == Activation::gelu;
  T* d_up = gelu ? act_.d_inner : act_.d_wide;
  {
    const Scope scope(profile_, Region::activation);
    if (gelu) {
      kernels::gelu_backward(stream_, m * c.feed_forward, block.up, act_.d_inner, d_up);
    } else {
      kernels::swiglu_backward(stream_, m, c.feed_forward, block.up, act_.d_inner, d_up);
    }
  }
  project_back(m, c.up_width(), c.width, d_up, block.normed_middle, weights + at.up, act_.d_normed,
               gradient + at.up);
  norm_back(weights, at.feed_forward_norm, m, block.x_middle, block.statistics_middle,
            act_.d_residual, gradient);

  project_back(m, c.width, c.width, act_.d_residual, block.attended, weights + at.attention_out,
               act_.d_inner, gradient + at.attention_out);
  {
    const Scope scope(profile_, Region::attention, 2.0 * attention_forward_flops(c, batch));
    kernels::attention_backward(stream_, c.attention_shape(batch), block.qkv, block.attended,
                                block.lse, act_.d_inner, act_.d_wide);
  }
  if (rope_table_ != nullptr) {
    const Scope scope(profile_, Region::rope);
    kernels::rope_backward(stream_, c.attention_shape(batch), rope_table_, act_.d_wide);
  }
  project_back(m, c.qkv_width(), c.width, act_.d_wide, block.normed, weights + at.qkv,
               act_.d_normed, gradient + at.qkv);
  norm_back(weights, at.attention_norm, m, block.x, block.statistics, act_.d_residual, gradient);
}

template <class T>
double Transformer<T>::train_batch(const T* weights, std::span<const std::int32_t> tokens,
                                   std::span<const std::int32_t> targets, float* gradient) {
  ISOFLOP_EXPECT(mode_ == Mode::training);
  forward(weights, tokens);
  head_and_its_gradient(weights, targets, gradient);
  norm_back(weights, table_.final_norm(), tokens.size(), act_.x_final, act_.statistics_final,
            nullptr, gradient);
  const std::size_t batch = tokens.size() / config_.context;
  for (std::size_t layer = config_.layers; layer-- > 0;)
    backward_block(weights, layer, batch, gradient);
  const Scope scope(profile_, Region::embedding);
  kernels::embedding_backward(
      stream_, {batch, config_.context, config_.width}, tokens.data(), act_.d_residual,
      gradient + table_.token_embedding(),
      config_.position == Position::learned ? gradient + table_.position_embedding() : nullptr);
  return sum_losses(tokens.size());
}

template class Transformer<float>;
template class Transformer<bf16>;

}  // namespace isoflop::model
