// The activations of one micro-batch and their layout in the arena.
#pragma once

#include <cstddef>
#include <vector>

#include "device/arena.hpp"
#include "model/config.hpp"

namespace isoflop::model {

/// Evaluation keeps no activations for a backward pass: all blocks share one set.
enum class Mode { training, evaluation };

/// Where each activation of one micro-batch of M = B T tokens lies in the arena.
template <class T>
struct Activations {
  struct Block {
    T* x;                      // [M, d] residual stream at the block's entry
    T* normed;                 // [M, d]
    float* statistics;         // [M, 2]
    T* qkv;                    // [M, qkv_width], rotated
    float* lse;                // [B, H, T]
    T* attended;               // [M, H * head_width]
    T* x_middle;               // [M, d] residual stream after attention
    T* normed_middle;          // [M, d]
    float* statistics_middle;  // [M, 2]
    T* up;                     // [M, up_width]
    T* active;                 // [M, F]
  };
  std::vector<Block> blocks;
  T* x_final;               // [M, d]
  T* normed_final;          // [M, d]
  float* statistics_final;  // [M, 2]
  T* branch;                // [M, d] what is about to join the residual stream
  float* logits;            // [chunk, V]
  float* losses;            // [M]

  // Training only.
  T* d_logits;    // [chunk, V]
  T* d_residual;  // [M, d]
  T* d_normed;    // [M, d]
  T* d_wide;      // [M, qkv_width], or [M, up_width] where that is wider and not done in place
  T* d_inner;     // [M, max(H * head_width, F)]
};

/// Takes the room for micro-batches of `batch` sequences from the arena. An arena that only counts
/// gives null pointers.
template <class T>
Activations<T> lay_out_activations(device::Arena& arena, const ModelConfig& config,
                                   std::size_t batch, Mode mode);

/// Rows of logits that exist at a time: the head's products run chunk by chunk, so that M x V
/// logits never exist.
std::size_t head_chunk_rows(const ModelConfig& config, std::size_t tokens);

}  // namespace isoflop::model
