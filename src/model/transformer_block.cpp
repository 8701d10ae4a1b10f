// What a block of the transformer computes, and the kernels it is made of.
#include "kernels/api/activation.hpp"
#include "kernels/api/attention.hpp"
#include "kernels/api/matmul.hpp"
#include "kernels/api/norm.hpp"
#include "kernels/api/rope.hpp"
#include "model/transformer.hpp"

namespace isoflop::model {
namespace {

using profile::Region;
using profile::Scope;

// FLOP of attention's products in the forward pass; causal pairs only.
double attention_forward_flops(const kernels::AttentionShape& shape) {
  const auto context = static_cast<double>(shape.context);
  const double pairs = context * (context + 1.0) / 2.0;
  return static_cast<double>(shape.batch) * 4.0 * static_cast<double>(shape.out_width()) * pairs;
}

double product_flops(std::size_t m, std::size_t outputs, std::size_t inputs) {
  return 2.0 * static_cast<double>(m * outputs * inputs);
}

}  // namespace

template <class T>
template <class Y>
void Transformer<T>::project(std::size_t m, std::size_t outputs, std::size_t inputs, const T* x,
                             const T* w, Y* y) {
  {
    const Scope scope(profile_, Region::matmul, product_flops(m, outputs, inputs));
    kernels::matmul_forward(stream_, {m, outputs, inputs}, x, w, y);
  }
  after_product();
}

template <class T>
void Transformer<T>::project_back(std::size_t m, std::size_t outputs, std::size_t inputs,
                                  const T* dy, const T* w, T* dx) {
  {
    const Scope scope(profile_, Region::matmul, product_flops(m, outputs, inputs));
    kernels::matmul_data_gradient(stream_, {m, outputs, inputs}, dy, w, dx);
  }
  after_product();
}

template <class T>
void Transformer<T>::project_weights_back(std::size_t m, std::size_t outputs, std::size_t inputs,
                                          const T* dy, const T* x, float* dw) {
  {
    const Scope scope(profile_, Region::matmul, product_flops(m, outputs, inputs));
    kernels::matmul_weight_gradient(stream_, {m, outputs, inputs}, dy, x, dw);
  }
  after_product();
}

template <class T>
void Transformer<T>::add_and_norm(const T* weights, const NormOffsets& offsets, std::size_t m,
                                  const T* x, const T* delta, T* sum, T* y, float* statistics) {
  const Scope scope(profile_, Region::norm);
  const bool biased = config_.norm == kernels::NormKind::layer;
  kernels::norm_forward(stream_, {m, config_.width, config_.norm}, x, delta, weights + offsets.gain,
                        biased ? weights + offsets.bias : nullptr, sum, y, statistics);
}

// Gradients of gain and bias that come later are computed then by the same kernel, for the same
// bits; here they go where nobody looks.
template <class T>
void Transformer<T>::norm_back(const T* weights, const NormOffsets& offsets, std::size_t m,
                               const T* x, const float* statistics, const T* dy,
                               const T* d_residual, T* dx, float* gradient, WeightGradients when) {
  const Scope scope(profile_, Region::norm);
  const bool biased = config_.norm == kernels::NormKind::layer;
  float* d_gain = act_.unused;
  float* d_bias = biased ? act_.unused + config_.width : nullptr;
  if (when == WeightGradients::now) {
    d_gain = gradient + offsets.gain;
    if (biased) d_bias = gradient + offsets.bias;
  }
  kernels::norm_backward(stream_, {m, config_.width, config_.norm}, x, weights + offsets.gain,
                         statistics, dy, d_residual, dx, d_gain, d_bias);
}

template <class T>
void Transformer<T>::norm_weights_back(const T* weights, const NormOffsets& offsets, std::size_t m,
                                       const T* x, const float* statistics, const T* dy,
                                       float* gradient) {
  norm_back(weights, offsets, m, x, statistics, dy, nullptr, act_.d_inner, gradient,
            WeightGradients::now);
}

// Behind the first norm; leaves what joins the residual stream in branch.
template <class T>
void Transformer<T>::forward_block(const T* weights, std::size_t sequences, const Block& block) {
  forward_attention(weights, sequences, block);
  forward_middle(weights, sequences, block);
  project(tokens_of(sequences), config_.width, held_.feed_forward, block.active,
          weights + table_.block().down, rows_.partial(act_.branch));
  rows_.sum(act_.branch, stream_of(sequences));
}

// What the forward pass computed from block.x and did not keep.
template <class T>
void Transformer<T>::recompute_block(const T* weights, std::size_t sequences, const Block& block) {
  if (room_.recompute == Recompute::none) return;
  add_and_norm(weights, table_.block().attention_norm, rows_of(sequences), block.x, nullptr,
               nullptr, block.normed, block.statistics);
  forward_attention(weights, sequences, block);
  if (room_.recompute == Recompute::full) forward_middle(weights, sequences, block);
}

template <class T>
void Transformer<T>::forward_attention(const T* weights, std::size_t sequences,
                                       const Block& block) {
  const kernels::AttentionShape shape = held_.attention_shape(sequences, config_.context);
  project(tokens_of(sequences), held_.qkv_width(), config_.width,
          rows_.gather(block.normed, stream_of(sequences)), weights + table_.block().qkv,
          block.qkv);
  if (rope_table_ != nullptr) {
    const Scope scope(profile_, Region::rope);
    kernels::rope_forward(stream_, shape, rope_table_, block.qkv);
  }
  {
    const Scope scope(profile_, Region::attention, attention_forward_flops(shape));
    kernels::attention_forward(stream_, shape, block.qkv, block.attended, block.lse);
  }
}

// From attention's output to the input of the last product.
template <class T>
void Transformer<T>::forward_middle(const T* weights, std::size_t sequences, const Block& block) {
  const auto& c = config_;
  const BlockOffsets& at = table_.block();
  const std::size_t m = tokens_of(sequences), stream = stream_of(sequences);
  project(m, c.width, held_.attended_width(), block.attended, weights + at.attention_out,
          rows_.partial(act_.branch));
  rows_.sum(act_.branch, stream);
  add_and_norm(weights, at.feed_forward_norm, rows_of(sequences), block.x, act_.branch,
               block.x_middle, block.normed_middle, block.statistics_middle);
  project(m, held_.up_width, c.width, rows_.gather(block.normed_middle, stream), weights + at.up,
          block.up);
  {
    const Scope scope(profile_, Region::activation);
    if (c.activation == Activation::gelu) {
      kernels::gelu_forward(stream_, m * held_.feed_forward, block.up, block.active);
    } else {
      kernels::swiglu_forward(stream_, m, held_.feed_forward, block.up, block.active);
    }
  }
}

// `g.down` comes in, the rest of `g` is written. The parts of g may share memory, with each other
// and with d_input, when weight gradients are computed now: then none is needed for long.
template <class T>
void Transformer<T>::backward_block(const T* weights, std::size_t sequences, const Block& block,
                                    const Gradients& g, T* d_input, float* gradient,
                                    WeightGradients when) {
  const auto& c = config_;
  const BlockOffsets& at = table_.block();
  const std::size_t m = tokens_of(sequences), rows = rows_of(sequences);
  const std::size_t stream = stream_of(sequences);
  // Products of qkv and up: tensor-parallel ranks have some of the outputs.
  const auto back_to_rows = [&](std::size_t outputs, const T* dy, const T* x, std::size_t matrix,
                                T* dx) {
    if (when == WeightGradients::now)
      project_weights_back(m, outputs, c.width, dy, rows_.gather(x, stream), gradient + matrix);
    project_back(m, outputs, c.width, dy, weights + matrix, rows_.partial(dx));
    rows_.sum(dx, stream);
  };
  // Products into the residual stream: they have some of the inputs.
  const auto back_from_rows = [&](std::size_t inputs, const T* dy, const T* x, std::size_t matrix,
                                  T* dx) {
    const T* all = rows_.gather(dy, stream);
    if (when == WeightGradients::now)
      project_weights_back(m, c.width, inputs, all, x, gradient + matrix);
    project_back(m, c.width, inputs, all, weights + matrix, dx);
  };
  back_from_rows(held_.feed_forward, g.down, block.active, at.down, act_.d_inner);
  {
    const Scope scope(profile_, Region::activation);
    if (c.activation == Activation::gelu) {
      kernels::gelu_backward(stream_, m * held_.feed_forward, block.up, act_.d_inner, g.up);
    } else {
      kernels::swiglu_backward(stream_, m, held_.feed_forward, block.up, act_.d_inner, g.up);
    }
  }
  back_to_rows(held_.up_width, g.up, block.normed_middle, at.up, g.normed_middle);
  norm_back(weights, at.feed_forward_norm, rows, block.x_middle, block.statistics_middle,
            g.normed_middle, g.down, g.attention_out, gradient, when);

  back_from_rows(held_.attended_width(), g.attention_out, block.attended, at.attention_out,
                 act_.d_inner);
  const kernels::AttentionShape shape = held_.attention_shape(sequences, c.context);
  {
    const Scope scope(profile_, Region::attention, 2.0 * attention_forward_flops(shape));
    kernels::attention_backward(stream_, shape, block.qkv, block.attended, block.lse, act_.d_inner,
                                g.qkv);
  }
  if (rope_table_ != nullptr) {
    const Scope scope(profile_, Region::rope);
    kernels::rope_backward(stream_, shape, rope_table_, g.qkv);
  }
  back_to_rows(held_.qkv_width(), g.qkv, block.normed, at.qkv, g.normed);
  norm_back(weights, at.attention_norm, rows, block.x, block.statistics, g.normed, g.attention_out,
            d_input, gradient, when);
}

template <class T>
void Transformer<T>::block_weight_gradients(const T* weights, std::size_t sequences,
                                            const Block& block, const Gradients& g,
                                            float* gradient) {
  const std::size_t d = config_.width;
  const BlockOffsets& at = table_.block();
  const std::size_t m = tokens_of(sequences), rows = rows_of(sequences);
  const std::size_t stream = stream_of(sequences);
  project_weights_back(m, d, held_.feed_forward, rows_.gather(g.down, stream), block.active,
                       gradient + at.down);
  project_weights_back(m, held_.up_width, d, g.up, rows_.gather(block.normed_middle, stream),
                       gradient + at.up);
  norm_weights_back(weights, at.feed_forward_norm, rows, block.x_middle, block.statistics_middle,
                    g.normed_middle, gradient);
  project_weights_back(m, d, held_.attended_width(), rows_.gather(g.attention_out, stream),
                       block.attended, gradient + at.attention_out);
  project_weights_back(m, held_.qkv_width(), d, g.qkv, rows_.gather(block.normed, stream),
                       gradient + at.qkv);
  norm_weights_back(weights, at.attention_norm, rows, block.x, block.statistics, g.normed,
                    gradient);
}

template class Transformer<float>;
template class Transformer<bf16>;
template void Transformer<float>::project(std::size_t, std::size_t, std::size_t, const float*,
                                          const float*, float*);
template void Transformer<bf16>::project(std::size_t, std::size_t, std::size_t, const bf16*,
                                         const bf16*, float*);

}  // namespace isoflop::model
