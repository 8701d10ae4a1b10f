// Flat passes over parameters and gradients: AdamW, squared norm, sums, conversion, random fill.
//
// Tolerance against the double reference: a step of AdamW 1e-6 (1 + |weight|), moments 1e-7;
// conversion is one rounding to T; block sums relative 1e-13.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/bf16.hpp"
#include "core/random.hpp"
#include "device/stream.hpp"

namespace isoflop::kernels {

/// Norms and losses are summed in double per block of this many elements, blocks in order: the same
/// bits on any split of the buffer at multiples of it.
inline constexpr std::size_t kSumBlock = 4096;  // elements

struct AdamWStep {
  float learning_rate;
  float beta1;
  float beta2;
  float epsilon;
  float weight_decay;       // decoupled: weight -= learning_rate * weight_decay * weight
  float first_correction;   // 1 - beta1^step
  float second_correction;  // 1 - beta2^step
  float
      gradient_scale;  // clipping and averaging: gradient * gradient_scale is what the moments see
};

/// One step of AdamW (Loshchilov & Hutter 2017) on `count` elements: updates master, first and
/// second moment in place and writes weights = T(master). For T = float weights may be master.
template <class T>
void adamw_step(device::Stream& stream, std::size_t count, const AdamWStep& step,
                const float* gradient, float* master, float* first_moment, float* second_moment,
                T* weights);

/// sums [ceil(count / kSumBlock)] = sum of squares of each block, in double, over 16 fixed lanes. A
/// block with a non-finite element has a non-finite sum.
void block_sums_of_squares(device::Stream& stream, std::size_t count, const float* values,
                           double* sums);

/// sums [ceil(count / kSumBlock)] of the values themselves (losses).
void block_sums(device::Stream& stream, std::size_t count, const float* values, double* sums);

/// sum [count] = a + b, added in fp32 and rounded once. sum may be a or b.
template <class T>
void add(device::Stream& stream, std::size_t count, const T* a, const T* b, T* sum);

/// target [count] += values.
inline void add_in_place(device::Stream& stream, std::size_t count, const float* values,
                         float* target) {
  add(stream, count, target, values, target);
}

/// target [count] = T(values).
template <class T>
void convert(device::Stream& stream, std::size_t count, const float* values, T* target);

/// values [count]: element i is deviation * (standard normal number first + i of (seed, purpose,
/// stream_id)). The same bits on any processor and split.
void fill_normal(device::Stream& stream, std::size_t count, std::uint64_t seed, Purpose purpose,
                 std::uint32_t stream_id, std::uint64_t first, float deviation, float* values);

/// values [count] = value.
void fill(device::Stream& stream, std::size_t count, float value, float* values);

}  // namespace isoflop::kernels
