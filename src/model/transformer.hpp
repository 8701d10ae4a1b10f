// The decoder-only transformer with explicit forward and backward passes: pre-norm blocks of causal
// attention and feed-forward.
//
//   x_0 = embedding(tokens)
//   x'  = x_l + attention(norm(x_l)) W_out         x_{l+1} = x' + activation(norm(x') W_up) W_down
//   logits = norm(x_layers) W_head
//
// Weights and gradients are flat buffers in the order of ParameterTable and belong to the caller.
// T, float or bf16, is the type of weights and activations; gradients of weights are always fp32.
// Activations live in one arena that is laid out when the object is made: a step allocates nothing.
// Bits of a micro-batch depend on the micro-batch and the weights alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "device/arena.hpp"
#include "device/stream.hpp"
#include "model/activations.hpp"
#include "model/parameters.hpp"
#include "profile/profile.hpp"

namespace isoflop::model {

template <class T>
class Transformer {
 public:
  /// For micro-batches of at most `batch` sequences. `mode` evaluation makes train_batch unusable
  /// and saves memory.
  Transformer(const ModelConfig& config, std::size_t batch, Mode mode, profile::Profile& profile);

  /// Sum of the losses (nats) of one micro-batch; adds the gradient of that sum to `gradient`
  /// [buffer_size]. tokens, targets [B, T] with B <= batch.
  double train_batch(const T* weights, std::span<const std::int32_t> tokens,
                     std::span<const std::int32_t> targets, float* gradient);

  /// Sum of the losses (nats) of one micro-batch.
  double evaluate_batch(const T* weights, std::span<const std::int32_t> tokens,
                        std::span<const std::int32_t> targets);

  const ModelConfig& config() const { return config_; }
  const ParameterTable& table() const { return table_; }

  /// Bytes the object holds: arena, kernel workspace, tables.
  std::size_t memory_bytes() const;

  /// The same by formula, without making one.
  static std::size_t memory_bytes(const ModelConfig& config, std::size_t batch, Mode mode);

 private:
  void forward(const T* weights, std::span<const std::int32_t> tokens);
  void forward_block(const T* weights, std::size_t layer, std::size_t batch);
  void head_and_its_gradient(const T* weights, std::span<const std::int32_t> targets,
                             float* gradient);
  void backward_block(const T* weights, std::size_t layer, std::size_t batch, float* gradient);
  double sum_losses(std::size_t count);

  // The kernels that several places need, counted in the profile.
  void add_and_norm(const T* weights, const NormOffsets& offsets, std::size_t m, const T* x,
                    const T* delta, T* sum, T* y, float* statistics);
  void norm_back(const T* weights, const NormOffsets& offsets, std::size_t m, const T* x,
                 const float* statistics, const T* d_residual, float* gradient);
  template <class Y>
  void project(std::size_t m, std::size_t outputs, std::size_t inputs, const T* x, const T* w,
               Y* y);
  void project_back(std::size_t m, std::size_t outputs, std::size_t inputs, const T* dy, const T* x,
                    const T* w, T* dx, float* dw);

  ModelConfig config_;
  ParameterTable table_;
  std::size_t batch_;
  Mode mode_;
  profile::Profile& profile_;
  device::Stream stream_;
  device::Arena arena_;
  Activations<T> act_;
  float* rope_table_;
  std::vector<double> block_sums_;
};

}  // namespace isoflop::model
