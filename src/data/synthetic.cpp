#include "data/synthetic.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/random.hpp"

namespace isoflop::data {
namespace {

constexpr std::int64_t kMostTransitions = std::int64_t{1} << 24;
constexpr double kSharpness = 2.0;
constexpr std::uint32_t kTrainStream = 0;
constexpr std::uint32_t kValidationStream = 1;

/// Two independent standard normals (Box and Muller 1958).
std::array<double, 2> normals(const std::array<std::uint32_t, 4>& words) {
  const double radius = std::sqrt(-2.0 * std::log1p(-uniform(words[0], words[1])));
  const double angle = 2.0 * std::numbers::pi * uniform(words[2], words[3]);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

/// Index of the cell of a cumulative distribution that holds `value` in [0, 1).
std::int64_t draw(std::span<const double> cumulative, double value) {
  const auto cell = std::upper_bound(cumulative.begin(), cumulative.end(), value);
  const auto index = cell - cumulative.begin();
  return std::min<std::int64_t>(index, static_cast<std::int64_t>(cumulative.size()) - 1);
}

double plogp(double p) { return p > 0 ? p * std::log(p) : 0.0; }

}  // namespace

Synthetic::Synthetic(const SyntheticProcess& process, std::int64_t context,
                     std::uint64_t sample_seed, std::int64_t validation_tokens)
    : process_(process), context_(context), sample_seed_(sample_seed) {
  require(process.kind == "markov", "synthetic kind: seen '{}', needed 'markov'", process.kind);
  require(process.symbols >= 2 && process.symbols <= 65536,
          "synthetic symbols: seen {}, needed 2 to 65536", process.symbols);
  require(process.order >= 1, "synthetic order: seen {}, needed at least 1", process.order);
  require(context >= process.order, "context {} is shorter than the synthetic order {}", context,
          process.order);
  for (std::int64_t i = 0; i < process.order; ++i) {
    states_ *= process.symbols;
    require(states_ * process.symbols <= kMostTransitions,
            "synthetic process of order {} over {} symbols has more than {} transitions: lower one "
            "of the two",
            process.order, process.symbols, kMostTransitions);
  }
  require(validation_tokens > 0, "validation tokens: seen {}, needed more than 0",
          validation_tokens);
  validation_sequences_ = (validation_tokens + context - 1) / context;
  fingerprint_ =
      hex(hash64(fmt::format("markov softmax {} {} {} {} validation {}", kSharpness, process.order,
                             process.symbols, process.seed, validation_tokens)));
  draw_transitions();
  find_stationary();
}

void Synthetic::draw_transitions() {
  const auto symbols = static_cast<std::size_t>(process_.symbols);
  cumulative_.resize(static_cast<std::size_t>(states_) * symbols);
  for (std::size_t i = 0; i < cumulative_.size(); i += 2) {
    const auto pair = normals(philox(process_.seed, Purpose::synthetic_process, 0, i / 2));
    cumulative_[i] = std::exp(kSharpness * pair[0]);
    if (i + 1 < cumulative_.size()) cumulative_[i + 1] = std::exp(kSharpness * pair[1]);
  }
  for (std::size_t first = 0; first < cumulative_.size(); first += symbols) {
    const std::span row(&cumulative_[first], symbols);
    for (std::size_t x = 1; x < symbols; ++x) row[x] += row[x - 1];
    const double total = row.back();
    for (double& value : row) value /= total;
  }
}

double Synthetic::transition(std::int64_t state, std::int64_t symbol) const {
  const auto at = static_cast<std::size_t>(state * process_.symbols + symbol);
  return cumulative_[at] - (symbol == 0 ? 0.0 : cumulative_[at - 1]);
}

void Synthetic::find_stationary() {
  constexpr int kMostIterations = 100000;
  constexpr double kTolerance = 1e-14;  // sum of absolute changes
  const auto states = static_cast<std::size_t>(states_);
  const std::int64_t tail = states_ / process_.symbols;
  stationary_.assign(states, 1.0 / static_cast<double>(states_));
  std::vector<double> next(states);
  double change = 1.0;
  for (int i = 0; i < kMostIterations && change > kTolerance; ++i) {
    std::fill(next.begin(), next.end(), 0.0);
    for (std::int64_t state = 0; state < states_; ++state) {
      const double mass = stationary_[static_cast<std::size_t>(state)];
      for (std::int64_t x = 0; x < process_.symbols; ++x) {
        next[static_cast<std::size_t>(state % tail * process_.symbols + x)] +=
            mass * transition(state, x);
      }
    }
    double total = 0;
    for (const double mass : next) total += mass;
    change = 0;
    for (std::size_t state = 0; state < states; ++state) {
      next[state] /= total;
      change += std::abs(next[state] - stationary_[state]);
    }
    stationary_.swap(next);
  }
  if (change > 1e-12) throw Error("synthetic process: its stationary distribution was not found");
  entropy_rate_ = 0;
  stationary_cumulative_.resize(states);
  double sum = 0;
  for (std::int64_t state = 0; state < states_; ++state) {
    const double mass = stationary_[static_cast<std::size_t>(state)];
    sum += mass;
    stationary_cumulative_[static_cast<std::size_t>(state)] = sum;
    double entropy = 0;
    for (std::int64_t x = 0; x < process_.symbols; ++x) entropy -= plogp(transition(state, x));
    entropy_rate_ += mass * entropy;
  }
}

double Synthetic::gram_entropy(std::int64_t length) const {
  std::int64_t grams = 1;
  for (std::int64_t i = 0; i < length; ++i) grams *= process_.symbols;
  std::vector<double> mass(static_cast<std::size_t>(grams), 0.0);
  for (std::int64_t state = 0; state < states_; ++state) {
    mass[static_cast<std::size_t>(state % grams)] += stationary_[static_cast<std::size_t>(state)];
  }
  double entropy = 0;
  for (const double p : mass) entropy -= plogp(p);
  return entropy;
}

double Synthetic::ideal_loss(std::int64_t context) const {
  require(context > 0, "context {} is not positive", context);
  const std::int64_t partial = std::min(process_.order - 1, context);
  // The partial targets telescope: H(2) - H(1) + H(3) - H(2) + ...
  const double first = partial > 0 ? gram_entropy(partial + 1) - gram_entropy(1) : 0.0;
  return (first + static_cast<double>(context - partial) * entropy_rate_) /
         static_cast<double>(context);
}

void Synthetic::sample(std::uint64_t seed, std::uint32_t stream, std::uint64_t index,
                       std::span<std::int32_t> tokens) const {
  ISOFLOP_EXPECT(static_cast<std::int64_t>(tokens.size()) == context_ + 1);
  // A draw takes two of a block's four words; block 0 of the sequence also chooses its start.
  const std::uint64_t blocks = static_cast<std::uint64_t>(context_) / 2 + 1;
  const std::uint64_t first_block = index * blocks;
  auto words = philox(seed, Purpose::synthetic_sample, stream, first_block);
  std::int64_t state = draw(stationary_cumulative_, uniform(words[0], words[1]));
  const auto order = static_cast<std::size_t>(process_.order);
  std::int64_t rest = state;
  for (std::size_t i = order; i-- > 0; rest /= process_.symbols) {
    tokens[i] = static_cast<std::int32_t>(rest % process_.symbols);
  }
  for (std::size_t i = order, used = 1; i < tokens.size(); ++i, ++used) {
    if (used % 2 == 0) {
      words = philox(seed, Purpose::synthetic_sample, stream, first_block + used / 2);
    }
    const double value = used % 2 == 0 ? uniform(words[0], words[1]) : uniform(words[2], words[3]);
    const auto row = std::span(cumulative_)
                         .subspan(static_cast<std::size_t>(state * process_.symbols),
                                  static_cast<std::size_t>(process_.symbols));
    const std::int64_t symbol = draw(row, value);
    tokens[i] = static_cast<std::int32_t>(symbol);
    state = state % (states_ / process_.symbols) * process_.symbols + symbol;
  }
}

void Synthetic::sequence(std::uint64_t g, std::span<std::int32_t> tokens) const {
  sample(sample_seed_, kTrainStream, g, tokens);
}

void Synthetic::validation_sequence(std::int64_t i, std::span<std::int32_t> tokens) const {
  ISOFLOP_EXPECT(i >= 0 && i < validation_sequences_);
  sample(process_.seed, kValidationStream, static_cast<std::uint64_t>(i), tokens);
}

}  // namespace isoflop::data
