// Does a score go anywhere with scale, and does it turn around on the way?
//
// Both questions compare fits that only assume a shape: constant, monotone, or monotone with one
// turn (isotonic regression, by pooling adjacent violators). "Any trend" is a permutation test of
// the best monotone fit against a constant. "A turn" is a bootstrap of the squares that a turn
// saves, in units of the noise, around the best monotone fit (or a constant, when there is no
// trend); the noise comes from second differences, in every draw anew. So a curve that levels off
// is no turn, and noise is no trend: of flat series about one in twenty is called anything else.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace isoflop::laws {

enum class Trend {
  too_few,     // less than five sizes
  none,        // not told from noise
  improves,    // better with size
  inverse,     // worse with size
  u_shaped,    // worse, then better
  inverted_u,  // better, then worse
};
std::string_view to_string(Trend trend);

/// One score along a scale; rows in any order. `weight`: relative precision, empty for equal.
/// Values at the same size are averaged.
struct Series {
  std::vector<double> size;
  std::vector<double> value;
  std::vector<double> weight;
};

struct TrendTest {
  Trend trend = Trend::too_few;
  std::size_t sizes = 0;
  double p_any = 1;       // that a constant looks as monotone
  double p_turn = 1;      // that a curve without a turn looks as turned
  double turn = 0;        // size at the turn; 0: no turn
  double rise_share = 0;  // largest share of the whole change between two neighbouring sizes
  double rise_from = 0;   // and those sizes
  double rise_to = 0;
};

inline constexpr std::size_t kLeastSizes = 5;
inline constexpr double kTrendLevel = 0.025;  // a p below it counts; for two tests

/// Deterministic for a seed. Throws InputError for columns of unequal length, values that are not
/// finite, sizes that are not above 0.
TrendTest test_trend(const Series& series, bool higher_is_better, std::uint64_t seed = 1);

}  // namespace isoflop::laws
