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

// FLOP of attention's products in the forward pass of `batch` sequences; causal pairs only.
double attention_forward_flops(const ModelConfig& c, std::size_t batch) {
  const double pairs =
      static_cast<double>(c.context) * (static_cast<double>(c.context) + 1.0) / 2.0;
  return static_cast<double>(batch) * 4.0 * static_cast<double>(c.width) * pairs;
}

double product_flops(std::size_t m, std::size_t outputs, std::size_t inputs) {
  return 2.0 * static_cast<double>(m * outputs * inputs);
}

}  // namespace

template <class T>
template <class Y>
void Transformer<T>::project(std::size_t m, std::size_t outputs, std::size_t inputs, const T* x,
                             const T* w, Y* y) {
  const Scope scope(profile_, Region::matmul, product_flops(m, outputs, inputs));
  kernels::matmul_forward(stream_, {m, outputs, inputs}, x, w, y);
}

template <class T>
void Transformer<T>::project_back(std::size_t m, std::size_t outputs, std::size_t inputs,
                                  const T* dy, const T* w, T* dx) {
  const Scope scope(profile_, Region::matmul, product_flops(m, outputs, inputs));
  kernels::matmul_data_gradient(stream_, {m, outputs, inputs}, dy, w, dx);
}

template <class T>
void Transformer<T>::project_weights_back(std::size_t m, std::size_t outputs, std::size_t inputs,
                                          const T* dy, const T* x, float* dw) {
  const Scope scope(profile_, Region::matmul, product_flops(m, outputs, inputs));
  kernels::matmul_weight_gradient(stream_, {m, outputs, inputs}, dy, x, dw);
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
  const std::size_t m = sequences * config_.context;
  forward_attention(weights, sequences, block);
  forward_middle(weights, sequences, block);
  project(m, config_.width, config_.feed_forward, block.active, weights + table_.block().down,
          act_.branch);
}

// What the forward pass computed from block.x and did not keep.
template <class T>
void Transformer<T>::recompute_block(const T* weights, std::size_t sequences, const Block& block) {
  if (room_.recompute == Recompute::none) return;
  add_and_norm(weights, table_.block().attention_norm, sequences * config_.context, block.x,
               nullptr, nullptr, block.normed, block.statistics);
  forward_attention(weights, sequences, block);
  if (room_.recompute == Recompute::full) forward_middle(weights, sequences, block);
}

template <class T>
void Transformer<T>::forward_attention(const T* weights, std::size_t sequences,
                                       const Block& block) {
  const auto& c = config_;
  const BlockOffsets& at = table_.block();
  const std::size_t m = sequences * c.context;
  project(m, c.qkv_width(), c.width, block.normed, weights + at.qkv, block.qkv);
  if (rope_table_ != nullptr) {
    const Scope scope(profile_, Region::rope);
    kernels::rope_forward(stream_, c.attention_shape(sequences), rope_table_, block.qkv);
  }
  {
    const Scope scope(profile_, Region::attention, attention_forward_flops(c, sequences));
    kernels::attention_forward(stream_, c.attention_shape(sequences), block.qkv, block.attended,
                               block.lse);
  }
}

// From attention's output to the input of the last product.
template <class T>
void Transformer<T>::forward_middle(const T* weights, std::size_t sequences, const Block& block) {
  const auto& c = config_;
  const BlockOffsets& at = table_.block();
  const std::size_t m = sequences * c.context;
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
}

// `g.down` comes in, the rest of `g` is written. The parts of g may share memory, with each other
// and with d_input, when weight gradients are computed now: then none is needed for long.
template <class T>
void Transformer<T>::backward_block(const T* weights, std::size_t sequences, const Block& block,
                                    const Gradients& g, T* d_input, float* gradient,
                                    WeightGradients when) {
  const auto& c = config_;
  const BlockOffsets& at = table_.block();
  const std::size_t m = sequences * c.context;
  const auto back = [&](std::size_t outputs, std::size_t inputs, const T* dy, const T* x,
                        std::size_t matrix, T* dx) {
    if (when == WeightGradients::now)
      project_weights_back(m, outputs, inputs, dy, x, gradient + matrix);
    project_back(m, outputs, inputs, dy, weights + matrix, dx);
  };
  back(c.width, c.feed_forward, g.down, block.active, at.down, act_.d_inner);
  {
    const Scope scope(profile_, Region::activation);
    if (c.activation == Activation::gelu) {
      kernels::gelu_backward(stream_, m * c.feed_forward, block.up, act_.d_inner, g.up);
    } else {
      kernels::swiglu_backward(stream_, m, c.feed_forward, block.up, act_.d_inner, g.up);
    }
  }
  back(c.up_width(), c.width, g.up, block.normed_middle, at.up, g.normed_middle);
  norm_back(weights, at.feed_forward_norm, m, block.x_middle, block.statistics_middle,
            g.normed_middle, g.down, g.attention_out, gradient, when);

  back(c.width, c.width, g.attention_out, block.attended, at.attention_out, act_.d_inner);
  {
    const Scope scope(profile_, Region::attention, 2.0 * attention_forward_flops(c, sequences));
    kernels::attention_backward(stream_, c.attention_shape(sequences), block.qkv, block.attended,
                                block.lse, act_.d_inner, g.qkv);
  }
  if (rope_table_ != nullptr) {
    const Scope scope(profile_, Region::rope);
    kernels::rope_backward(stream_, c.attention_shape(sequences), rope_table_, g.qkv);
  }
  back(c.qkv_width(), c.width, g.qkv, block.normed, at.qkv, g.normed);
  norm_back(weights, at.attention_norm, m, block.x, block.statistics, g.normed, g.attention_out,
            d_input, gradient, when);
}

template <class T>
void Transformer<T>::block_weight_gradients(const T* weights, std::size_t sequences,
                                            const Block& block, const Gradients& g,
                                            float* gradient) {
  const auto& c = config_;
  const BlockOffsets& at = table_.block();
  const std::size_t m = sequences * c.context;
  project_weights_back(m, c.width, c.feed_forward, g.down, block.active, gradient + at.down);
  project_weights_back(m, c.up_width(), c.width, g.up, block.normed_middle, gradient + at.up);
  norm_weights_back(weights, at.feed_forward_norm, m, block.x_middle, block.statistics_middle,
                    g.normed_middle, gradient);
  project_weights_back(m, c.width, c.width, g.attention_out, block.attended,
                       gradient + at.attention_out);
  project_weights_back(m, c.qkv_width(), c.width, g.qkv, block.normed, gradient + at.qkv);
  norm_weights_back(weights, at.attention_norm, m, block.x, block.statistics, g.normed, gradient);
}

template class Transformer<float>;
template class Transformer<bf16>;
template void Transformer<float>::project(std::size_t, std::size_t, std::size_t, const float*,
                                          const float*, float*);
template void Transformer<bf16>::project(std::size_t, std::size_t, std::size_t, const bf16*,
                                         const bf16*, float*);

}  // namespace isoflop::model
