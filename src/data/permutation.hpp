// A pseudo-random permutation of 0..n-1 that needs no table: a Feistel network of Philox rounds on
// the smallest even number of bits that holds n, walked along its cycle until the value is below n
// (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").
#pragma once

#include <bit>
#include <cstdint>

#include "core/random.hpp"

namespace isoflop::data {

class Permutation {
 public:
  /// size > 0; source < 2^28. (seed, source, epoch) choose the permutation.
  Permutation(std::uint64_t size, std::uint64_t seed, std::uint32_t source, std::uint32_t epoch)
      : size_(size), seed_(seed), stream_(source * kRounds), epoch_(epoch) {
    const int bits = size > 1 ? std::bit_width(size - 1) : 1;
    half_bits_ = (bits + 1) / 2;
    mask_ = (std::uint64_t{1} << half_bits_) - 1;
  }

  /// The image of index < size. At most 4 rounds of the network on average.
  std::uint64_t operator()(std::uint64_t index) const {
    do {
      index = network(index);
    } while (index >= size_);
    return index;
  }

 private:
  static constexpr std::uint32_t kRounds = 8;

  std::uint64_t network(std::uint64_t value) const {
    std::uint64_t left = value >> half_bits_, right = value & mask_;
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      const auto words = philox(seed_, Purpose::data_order, stream_ + round,
                                (std::uint64_t{epoch_} << 32) | right);
      const std::uint64_t mixed = left ^ (words[0] & mask_);
      left = right;
      right = mixed;
    }
    return (left << half_bits_) | right;
  }

  std::uint64_t size_, seed_, mask_ = 0;
  std::uint32_t stream_, epoch_;
  int half_bits_ = 0;
};

}  // namespace isoflop::data
