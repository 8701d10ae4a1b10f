// The activations of a stage's micro-batches and their layout in the arena.
#pragma once

#include <cstddef>
#include <vector>

#include "device/arena.hpp"
#include "kernels/api/cross_entropy.hpp"
#include "model/config.hpp"
#include "model/split.hpp"
#include "model/stage.hpp"

namespace isoflop::model {

/// Evaluation keeps no activations for a backward pass: all blocks share one set.
enum class Mode { training, evaluation };

/// What a backward pass computes again instead of keeping it; the bits are the same.
enum class Recompute {
  none,
  attention,  // the first norm, the query, key and value product, and attention
  full,       // the whole block but its last product: only its input is kept
};

/// How much a stage can keep at a time.
struct Room {
  std::size_t batch;          // sequences of a micro-batch, at most
  std::size_t in_flight = 1;  // micro-batches between their forward pass and their last one
  std::size_t put_off = 0;    // of those, micro-batches whose weight gradients are put off; 0: they
                              // are computed with the input gradients
  Recompute recompute = Recompute::none;  // none if anything is put off
};

/// Where each activation of micro-batches of M = B T tokens lies in the arena. Of a model that is
/// cut across tensor-parallel ranks m = M / ranks are this rank's rows, and V, qkv_width, H,
/// up_width and F what it has of them; else m = M.
template <class T>
struct Activations {
  struct Block {
    T* x;                      // [m, d] residual stream at the block's entry
    T* normed;                 // [m, d]
    float* statistics;         // [m, 2]
    T* qkv;                    // [M, qkv_width], rotated
    float* lse;                // [B, H, T]
    T* attended;               // [M, H * head_width]
    T* x_middle;               // [m, d] residual stream after attention
    T* normed_middle;          // [m, d]
    float* statistics_middle;  // [m, 2]
    T* up;                     // [M, up_width]
    T* active;                 // [M, F]
  };
  struct MicroBatch {
    std::vector<Block> blocks;
    T* x_final;               // [m, d], as the next two with the head only
    T* normed_final;          // [m, d]
    float* statistics_final;  // [m, 2]
  };
  // Gradients at the outputs of a block's four products and two norms.
  struct Gradients {
    T* down;           // [m, d], the residual stream behind the block
    T* up;             // [M, up_width]
    T* normed_middle;  // [m, d]
    T* attention_out;  // [m, d], the residual stream after attention
    T* qkv;            // [M, qkv_width]
    T* normed;         // [m, d]
  };
  struct PutOff {
    std::vector<Gradients> blocks;
    T* normed_final;  // [m, d], with the head only
  };
  Block again;  // what all blocks share because it is recomputed; else null
  std::vector<MicroBatch> in_flight;
  T* branch;      // [m, d] what is about to join the residual stream
  float* logits;  // [chunk, V], with the head only, as losses
  float* losses;  // [M]

  // Of a model that is cut, else null:
  T* gathered;  // [M, d] the rows of all ranks
  T* partial;   // [M, d] partial sums
  kernels::SoftmaxPiece*
      softmax;  // [ranks + 2, chunk] of every rank, mine and whole; with the head

  // Training only.
  T* d_logits;           // [chunk, V], with the head only; if T is float, logits
  T* d_inner;            // [M, max(H * head_width, F)]
  T* d_stream;           // [m, d], with the whole model only
  float* head_gradient;  // [V, d], with the whole model only, when tied
  // Unless weight gradients are put off:
  T* d_normed;  // [m, d]
  T* d_wide;    // [M, qkv_width], or [M, up_width] where that is wider and not in d_inner
  // If they are:
  float* unused;  // [2, d]
  std::vector<PutOff> put_off;
};

/// Takes the room from the arena. An arena that only counts gives null pointers.
template <class T>
Activations<T> lay_out_activations(device::Arena& arena, const ModelConfig& config,
                                   const Split& split, const Stage& stage, const Room& room,
                                   Mode mode);

/// Rows of logits that exist at a time: the head's products run chunk by chunk, so that M x V
/// logits never exist. The same on all tensor-parallel ranks, also where their pieces of the
/// vocabulary differ: each chunk is a collective.
std::size_t head_chunk_rows(const ModelConfig& config, const Split& split, std::size_t tokens);

}  // namespace isoflop::model
