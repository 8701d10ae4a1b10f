// A software model of the tile unit with exactly its arithmetic, so that the tile kernel is tested
// on any processor. TDPBF16PS (Intel Software Developer's Manual): per 16 pairs, the even and the
// odd elements form two chains of fp32 fused multiply-adds that start at zero, then c += even +
// odd; round to nearest even, denormals count as zero.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/bf16.hpp"
#include "kernels/cpu/flush_denormals.hpp"

namespace isoflop::kernels::cpu {

class ModelTiles {
 public:
  struct Lanes {
    static constexpr int width = 4;
    typedef float Float __attribute__((vector_size(16)));
    typedef std::uint32_t Word __attribute__((vector_size(16)));
    typedef std::uint16_t Half __attribute__((vector_size(8)));

    static Half narrow(Word words) { return __builtin_convertvector(words, Half); }
  };

  template <int t>
  void zero() {
    std::memset(tiles_[t], 0, sizeof tiles_[t]);
  }

  template <int t>
  void load(const void* from, std::size_t stride) {
    for (int row = 0; row < 16; ++row) {
      std::memcpy(tiles_[t][row], static_cast<const std::byte*>(from) + row * stride, 64);
    }
  }

  template <int t>
  void stream(const void* from, std::size_t stride) {
    load<t>(from, stride);
  }

  template <int t>
  void store(void* to, std::size_t stride) const {
    for (int row = 0; row < 16; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * stride, tiles_[t][row], 64);
    }
  }

  template <int c, int a, int b>
  void multiply() {
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 16; ++column) {
        float even = 0.0f, odd = 0.0f;
        for (int pair = 0; pair < 16; ++pair) {
          even = std::fma(bf16_at(a, row, 2 * pair), bf16_at(b, pair, 2 * column), even);
          odd = std::fma(bf16_at(a, row, 2 * pair + 1), bf16_at(b, pair, 2 * column + 1), odd);
        }
        float sum;
        std::memcpy(&sum, &tiles_[c][row][std::size_t(4 * column)], sizeof sum);
        sum += even + odd;
        std::memcpy(&tiles_[c][row][std::size_t(4 * column)], &sum, sizeof sum);
      }
    }
  }

 private:
  float bf16_at(int tile, int row, int element) const {
    bf16 value;
    std::memcpy(&value, &tiles_[tile][row][std::size_t(2 * element)], sizeof value);
    return static_cast<float>(value);
  }

  FlushDenormals guard_;
  std::byte tiles_[8][16][64];
};

}  // namespace isoflop::kernels::cpu
