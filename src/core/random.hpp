// Counter-based random numbers (Philox 4x32-10; Salmon et al. 2011, "Parallel Random Numbers: As
// Easy as 1, 2, 3").
//
// A number is a pure function of (seed, purpose, index): it does not depend on ranks, threads or
// the order of calls.
#pragma once

#include <Random123/philox.h>

#include <array>
#include <cstdint>

namespace isoflop {

/// What the numbers are for: two purposes never share a stream. Values are part of the results;
/// append only.
enum class Purpose : std::uint32_t {
  weights = 1,
  data_order = 2,
  source_pattern = 3,
  dropout = 4,
  synthetic_process = 5,
  synthetic_sample = 6,
  bootstrap = 7,
  starts = 8,
  test = 9,
};

/// Four independent 32-bit words for (seed, purpose, stream, index).
inline std::array<std::uint32_t, 4> philox(std::uint64_t seed, Purpose purpose,
                                           std::uint32_t stream, std::uint64_t index) {
  const r123::Philox4x32::ctr_type counter{{static_cast<std::uint32_t>(index),
                                            static_cast<std::uint32_t>(index >> 32),
                                            static_cast<std::uint32_t>(purpose), stream}};
  const r123::Philox4x32::key_type key{
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
  const auto words = r123::Philox4x32{}(counter, key);
  return {words[0], words[1], words[2], words[3]};
}

/// Uniform in [0, 1) with 53 bits from two words.
inline double uniform(std::uint32_t high, std::uint32_t low) {
  return static_cast<double>((std::uint64_t{high} << 21) ^ (low >> 11)) * 0x1p-53;
}

/// A stream read in order: position i of (seed, purpose, stream). Cheap to copy; satisfies
/// UniformRandomBitGenerator.
class RandomStream {
 public:
  using result_type = std::uint32_t;

  RandomStream(std::uint64_t seed, Purpose purpose, std::uint32_t stream = 0)
      : seed_(seed), purpose_(purpose), stream_(stream) {}

  std::uint32_t operator()() {
    if (used_ == 4) {
      words_ = philox(seed_, purpose_, stream_, index_++);
      used_ = 0;
    }
    return words_[used_++];
  }

  /// Uniform in [0, 1).
  double next_uniform() {
    const std::uint32_t high = (*this)();
    return uniform(high, (*this)());
  }

  /// Uniform in [0, bound), bound > 0, by Lemire's multiplication (bias below 2^-32 * bound /
  /// 2^32).
  std::uint64_t next_below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    const std::uint64_t high = (*this)();
    const std::uint64_t word = (high << 32) | (*this)();
    return static_cast<std::uint64_t>((static_cast<Wide>(word) * bound) >> 64);
  }

  static constexpr std::uint32_t min() { return 0; }
  static constexpr std::uint32_t max() { return 0xFFFFFFFFu; }

 private:
  std::uint64_t seed_;
  Purpose purpose_;
  std::uint32_t stream_;
  std::uint64_t index_ = 0;
  std::array<std::uint32_t, 4> words_{};
  unsigned used_ = 4;
};

}  // namespace isoflop
