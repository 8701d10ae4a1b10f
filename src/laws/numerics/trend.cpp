#include "laws/numerics/trend.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "core/error.hpp"
#include "core/random.hpp"

namespace isoflop::laws {
namespace {

constexpr int kDraws = 1000;

struct Sequence {
  std::vector<double> value;
  std::vector<double> weight;

  std::size_t size() const { return value.size(); }
  Sequence reversed() const {
    return {{value.rbegin(), value.rend()}, {weight.rbegin(), weight.rend()}};
  }
  Sequence negated() const {
    Sequence other = *this;
    for (double& v : other.value) v = -v;
    return other;
  }
};

/// Sums of squares of the rising fits to every prefix, entry k of the first k values; `fitted`
/// gets the fit to all.
std::vector<double> rising_squares(const Sequence& curve, std::vector<double>* fitted = nullptr) {
  struct Block {
    double mean, weight;
    std::size_t count;
  };
  std::vector<Block> blocks;
  std::vector<double> squares{0};
  double total = 0;
  for (std::size_t i = 0; i < curve.size(); ++i) {
    blocks.push_back({curve.value[i], curve.weight[i], 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean >= blocks.back().mean) {
      const Block last = blocks.back();
      blocks.pop_back();
      Block& merged = blocks.back();
      const double weight = merged.weight + last.weight;
      const double gap = last.mean - merged.mean;
      total += merged.weight * last.weight / weight * gap * gap;
      merged.mean += last.weight / weight * gap;
      merged.weight = weight;
      merged.count += last.count;
    }
    squares.push_back(total);
  }
  if (fitted) {
    fitted->clear();
    for (const Block& block : blocks) fitted->insert(fitted->end(), block.count, block.mean);
  }
  return squares;
}

struct Turn {
  double squares = std::numeric_limits<double>::infinity();
  std::size_t at = 0;  // the last value of the first branch
};

/// Rising, then falling.
Turn hill(const Sequence& curve) {
  const std::vector<double> up = rising_squares(curve);
  const std::vector<double> down = rising_squares(curve.reversed());
  Turn best;
  for (std::size_t k = 1; k < curve.size(); ++k) {
    const double squares = up[k] + down[curve.size() - k];
    if (squares < best.squares) best = {squares, curve.value[k - 1] >= curve.value[k] ? k - 1 : k};
  }
  return best;
}

struct Shapes {
  double rising, falling;
  Turn hill, valley;

  explicit Shapes(const Sequence& curve)
      : rising(rising_squares(curve).back()),
        falling(rising_squares(curve.negated()).back()),
        hill(laws::hill(curve)),
        valley(laws::hill(curve.negated())) {}
  double monotone() const { return std::min(rising, falling); }
  double turned() const { return std::min(hill.squares, valley.squares); }
};

double squares_around_mean(const Sequence& curve) {
  double sum = 0, weight = 0;
  for (std::size_t i = 0; i < curve.size(); ++i) {
    sum += curve.weight[i] * curve.value[i];
    weight += curve.weight[i];
  }
  double squares = 0;
  for (std::size_t i = 0; i < curve.size(); ++i)
    squares += curve.weight[i] * std::pow(curve.value[i] - sum / weight, 2);
  return squares;
}

/// Variance of a value of weight 1, from second differences: a smooth curve adds little to them.
double noise_variance(const Sequence& curve) {
  double squares = 0;
  const std::size_t count = curve.size() - 2;
  for (std::size_t i = 0; i < count; ++i) {
    const double difference = curve.value[i] - 2 * curve.value[i + 1] + curve.value[i + 2];
    const double spread = 1 / curve.weight[i] + 4 / curve.weight[i + 1] + 1 / curve.weight[i + 2];
    squares += difference * difference / spread;
  }
  return squares / static_cast<double>(count);
}

/// Squares that a turn saves, in units of the noise.
double turn_statistic(const Sequence& curve) {
  const Shapes shapes(curve);
  const double saved = shapes.monotone() - shapes.turned();
  const double noise = noise_variance(curve);
  const double rounding = 1e-24 * (1 + squares_around_mean(curve));
  return saved <= rounding ? 0 : saved / (noise + rounding);
}

double standard_normal(RandomStream& stream) {
  const double radius = std::sqrt(-2 * std::log(1 - stream.next_uniform()));
  return radius * std::cos(6.283185307179586 * stream.next_uniform());
}

double share(int as_extreme) { return (as_extreme + 1.0) / (kDraws + 1.0); }

double permutation_p(const Sequence& curve, std::uint64_t seed) {
  const double seen = Shapes(curve).monotone() * (1 + 1e-12);
  RandomStream stream(seed, Purpose::bootstrap, 1);
  Sequence shuffled = curve;
  int as_good = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    for (std::size_t i = curve.size(); i-- > 1;) {
      const auto other = static_cast<std::size_t>(stream.next_below(i + 1));
      std::swap(shuffled.value[i], shuffled.value[other]);
      std::swap(shuffled.weight[i], shuffled.weight[other]);
    }
    as_good += Shapes(shuffled).monotone() <= seen;
  }
  return share(as_good);
}

std::vector<double> monotone_fit(const Sequence& curve) {
  const Shapes shapes(curve);
  const bool rises = shapes.rising <= shapes.falling;
  std::vector<double> fitted;
  rising_squares(rises ? curve : curve.negated(), &fitted);
  if (!rises)
    for (double& value : fitted) value = -value;
  return fitted;
}

/// `fitted`: the curve without a turn that the draws scatter around.
double turn_p(const Sequence& curve, const std::vector<double>& fitted, std::uint64_t seed) {
  const double seen = turn_statistic(curve);
  if (seen == 0) return 1;
  const double noise = noise_variance(curve);
  RandomStream stream(seed, Purpose::bootstrap, 2);
  int as_large = 0;
  Sequence drawn = curve;
  for (int draw = 0; draw < kDraws; ++draw) {
    for (std::size_t i = 0; i < curve.size(); ++i)
      drawn.value[i] = fitted[i] + std::sqrt(noise / curve.weight[i]) * standard_normal(stream);
    as_large += turn_statistic(drawn) >= seen;
  }
  return share(as_large);
}

struct Pooled {
  std::vector<double> size;
  Sequence curve;
};

/// Ascending sizes, one value each.
Pooled pool(const Series& series) {
  std::vector<std::size_t> order(series.size.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto weight = [&](std::size_t i) { return series.weight.empty() ? 1.0 : series.weight[i]; };
  std::ranges::sort(order, {}, [&](std::size_t i) {
    return std::make_tuple(series.size[i], series.value[i], weight(i));
  });
  Pooled pooled;
  for (const std::size_t i : order) {
    Sequence& curve = pooled.curve;
    if (pooled.size.empty() || pooled.size.back() != series.size[i]) {
      pooled.size.push_back(series.size[i]);
      curve.value.push_back(series.value[i]);
      curve.weight.push_back(weight(i));
      continue;
    }
    curve.weight.back() += weight(i);
    curve.value.back() += weight(i) / curve.weight.back() * (series.value[i] - curve.value.back());
  }
  return pooled;
}

void require_series(const Series& series) {
  require(series.size.size() == series.value.size() &&
              (series.weight.empty() || series.weight.size() == series.size.size()),
          "trend: {} sizes, {} values and {} weights: needed one of each a run", series.size.size(),
          series.value.size(), series.weight.size());
  for (std::size_t i = 0; i < series.size.size(); ++i) {
    require(std::isfinite(series.size[i]) && series.size[i] > 0,
            "trend: saw size {}, needed a number above 0", series.size[i]);
    require(std::isfinite(series.value[i]), "trend: saw {} at size {:g}, needed a finite number",
            series.value[i], series.size[i]);
    require(series.weight.empty() || (std::isfinite(series.weight[i]) && series.weight[i] > 0),
            "trend: saw weight {} at size {:g}, needed a number above 0",
            series.weight.empty() ? 0 : series.weight[i], series.size[i]);
  }
}

void find_steepest(const Pooled& pooled, TrendTest& test) {
  const std::vector<double>& value = pooled.curve.value;
  const auto [low, high] = std::ranges::minmax(value);
  if (!(high > low)) return;
  for (std::size_t i = 1; i < value.size(); ++i) {
    const double part = std::fabs(value[i] - value[i - 1]) / (high - low);
    if (part <= test.rise_share) continue;
    test.rise_share = part;
    test.rise_from = pooled.size[i - 1];
    test.rise_to = pooled.size[i];
  }
}

}  // namespace

std::string_view to_string(Trend trend) {
  switch (trend) {
    case Trend::too_few:
      return "too few sizes to tell";
    case Trend::none:
      return "no trend";
    case Trend::improves:
      return "improves";
    case Trend::inverse:
      return "inverse";
    case Trend::u_shaped:
      return "U-shaped";
    case Trend::inverted_u:
      return "inverted U";
  }
  return "";
}

TrendTest test_trend(const Series& series, bool higher_is_better, std::uint64_t seed) {
  require_series(series);
  const Pooled pooled = pool(series);
  const Sequence curve = higher_is_better ? pooled.curve : pooled.curve.negated();
  TrendTest test;
  test.sizes = pooled.size.size();
  find_steepest(pooled, test);
  if (test.sizes < kLeastSizes) return test;
  test.trend = Trend::none;
  if (!(squares_around_mean(curve) > 0)) return test;
  test.p_any = permutation_p(curve, seed);
  const bool is_monotone = test.p_any < kTrendLevel;
  const std::vector<double> flat(curve.size(), 0.0);
  test.p_turn = turn_p(curve, is_monotone ? monotone_fit(curve) : flat, seed);
  const Shapes shapes(curve);
  if (test.p_turn < kTrendLevel) {
    const bool is_hill = shapes.hill.squares < shapes.valley.squares;
    test.trend = is_hill ? Trend::inverted_u : Trend::u_shaped;
    test.turn = pooled.size[(is_hill ? shapes.hill : shapes.valley).at];
    return test;
  }
  if (is_monotone) test.trend = shapes.rising <= shapes.falling ? Trend::improves : Trend::inverse;
  return test;
}

}  // namespace isoflop::laws
