// Normal numbers: Box and Muller (1958) on the words of Philox 4x32-10 (Salmon et al. 2011).
//
// Element i comes from counter i / 4: words 0 and 1 give elements 4k and 4k + 1, words 2 and 3 the
// other two. Radii have 31 bits, so values reach 6.66 deviations.
#include "core/integers.hpp"
#include "kernels/kokkos/loops.hpp"
#include "kernels/kokkos/math.hpp"
#include "kernels/kokkos/optimizer.hpp"

namespace isoflop::kernels::kokkos {
namespace {

constexpr std::size_t kBlock = 4 * kLanes;  // elements made together

/// The counter and key of core/random.hpp, and what lane `l` of a block adds to them.
struct PhiloxStream {
  std::uint32_t key0, key1, purpose, stream_id;

  /// words [4][kLanes] of indices first_index + lane.
  KOKKOS_FUNCTION void words(std::uint64_t first_index, std::uint32_t (&word)[4][kLanes]) const {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::uint64_t index = first_index + lane;
      std::uint32_t a = static_cast<std::uint32_t>(index);
      std::uint32_t b = static_cast<std::uint32_t>(index >> 32);
      std::uint32_t c = purpose, d = stream_id, k0 = key0, k1 = key1;
      for (int round = 0; round < 10; ++round) {
        const std::uint64_t even = std::uint64_t{0xD2511F53u} * a;
        const std::uint64_t odd = std::uint64_t{0xCD9E8D57u} * c;
        a = static_cast<std::uint32_t>(odd >> 32) ^ b ^ k0;
        b = static_cast<std::uint32_t>(odd);
        c = static_cast<std::uint32_t>(even >> 32) ^ d ^ k1;
        d = static_cast<std::uint32_t>(even);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
      }
      word[0][lane] = a;
      word[1][lane] = b;
      word[2][lane] = c;
      word[3][lane] = d;
    }
  }
};

struct NormalPair {
  float first, second;
};

KOKKOS_INLINE_FUNCTION NormalPair box_muller(std::uint32_t radius_word, std::uint32_t angle_word) {
  const float uniform =
      (static_cast<float>(static_cast<std::int32_t>(radius_word >> 1)) + 0.5f) * 0x1p-31f;
  const float radius = Kokkos::sqrt(-2.0f * fast_log(uniform));
  // The top two bits choose the quadrant, the others an angle in [-pi / 4, pi / 4).
  const std::int32_t fraction = static_cast<std::int32_t>(angle_word & 0x3FFFFFFFu) - 0x20000000;
  const float angle = static_cast<float>(fraction) * (1.57079632679489662f * 0x1p-30f);
  const float sine = sin_octant(angle), cosine = cos_octant(angle);
  const bool odd = (angle_word & 0x40000000u) != 0;
  const float sign = (angle_word & 0x80000000u) != 0 ? -radius : radius;
  return {sign * (odd ? -sine : cosine), sign * (odd ? cosine : sine)};
}

}  // namespace

void fill_normal(std::size_t count, std::uint64_t seed, Purpose purpose, std::uint32_t stream_id,
                 std::uint64_t first, float deviation, float* values) {
  if (count == 0) return;
  const PhiloxStream stream{static_cast<std::uint32_t>(seed),
                            static_cast<std::uint32_t>(seed >> 32),
                            static_cast<std::uint32_t>(purpose), stream_id};
  const std::uint64_t first_block = first / kBlock, end = first + count;
  for_each(
      "isoflop::fill_normal", ceil_div(end, kBlock) - first_block,
      KOKKOS_LAMBDA(std::size_t block) {
        const std::uint64_t at = (first_block + block) * kBlock;  // number of its first element
        std::uint32_t word[4][kLanes];
        float normal[4][kLanes];
        stream.words(at / 4, word);
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          const NormalPair low = box_muller(word[0][lane], word[1][lane]);
          const NormalPair high = box_muller(word[2][lane], word[3][lane]);
          normal[0][lane] = deviation * low.first;
          normal[1][lane] = deviation * low.second;
          normal[2][lane] = deviation * high.first;
          normal[3][lane] = deviation * high.second;
        }
        const std::size_t skipped = at < first ? first - at : 0;
        const std::size_t used = end - at < kBlock ? end - at : kBlock;
        for (std::size_t i = skipped; i < used; ++i) values[at + i - first] = normal[i % 4][i / 4];
      });
}

}  // namespace isoflop::kernels::kokkos
