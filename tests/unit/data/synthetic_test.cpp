#include "data/synthetic.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/error.hpp"

namespace isoflop::data {
namespace {

using Sequence = std::vector<std::int32_t>;

Sequence train(const Synthetic& source, std::uint64_t g) {
  Sequence tokens(static_cast<std::size_t>(source.context()) + 1);
  source.sequence(g, tokens);
  return tokens;
}

Synthetic make(std::int64_t order, std::int64_t symbols, std::int64_t context,
               std::uint64_t seed = 1) {
  return Synthetic({"markov", order, symbols, 11}, context, seed);
}

TEST(Synthetic, StationaryDistributionAndEntropyRateAgreeWithTheClosedFormOfTwoStates) {
  const Synthetic chain = make(1, 2, 4);
  const double up = chain.transition(0, 1), down = chain.transition(1, 0);
  EXPECT_NEAR(chain.transition(0, 0) + up, 1.0, 1e-15);
  EXPECT_NEAR(chain.stationary()[0], down / (up + down), 1e-13);
  const auto binary = [](double p) { return -p * std::log(p) - (1 - p) * std::log(1 - p); };
  const double rate = (down * binary(up) + up * binary(down)) / (up + down);
  EXPECT_NEAR(chain.entropy_rate(), rate, 1e-13);
  EXPECT_NEAR(chain.ideal_loss(4), rate, 1e-13);  // order 1: every target has its full context
}

TEST(Synthetic, IdealLossIsTheEntropyOfAllSequencesByEnumeration) {
  const std::int64_t order = 3, symbols = 3, context = 5;
  const Synthetic chain = make(order, symbols, context);
  // H(x_0..x_5) - H(x_0) over all 3^6 sequences, from the stationary start
  double joint = 0;
  std::vector<double> first(3, 0.0);
  for (std::int64_t code = 0; code < 729; ++code) {
    std::int64_t state = code / 27;  // the first three symbols
    double p = chain.stationary()[static_cast<std::size_t>(state)];
    for (const std::int64_t unit : {9, 3, 1}) {
      const std::int64_t symbol = code / unit % 3;
      p *= chain.transition(state, symbol);
      state = state % 9 * 3 + symbol;
    }
    joint -= p * std::log(p);
    first[static_cast<std::size_t>(code / 243)] += p;
  }
  double single = 0;
  for (const double p : first) single -= p * std::log(p);
  EXPECT_NEAR(chain.ideal_loss(context), (joint - single) / context, 1e-12);
  EXPECT_GT(chain.ideal_loss(context), chain.entropy_rate());
  EXPECT_EQ(chain.entropy(), chain.ideal_loss(chain.context()));
}

TEST(Synthetic, SamplesFollowTheProcess) {
  const Synthetic chain = make(2, 4, 64);
  std::map<std::int64_t, std::array<double, 4>> counts;
  std::vector<double> starts(16, 0.0);
  double loss = 0, targets = 0;
  constexpr std::uint64_t kSequences = 4000;
  for (std::uint64_t g = 0; g < kSequences; ++g) {
    const Sequence tokens = train(chain, g);
    std::int64_t state = tokens[0] * 4 + tokens[1];
    starts[static_cast<std::size_t>(state)] += 1;
    for (std::size_t i = 2; i < tokens.size(); ++i) {
      ASSERT_GE(tokens[i], 0);
      ASSERT_LT(tokens[i], 4);
      counts[state][static_cast<std::size_t>(tokens[i])] += 1;
      loss -= std::log(chain.transition(state, tokens[i]));
      targets += 1;
      state = state % 4 * 4 + tokens[i];
    }
  }
  for (std::int64_t state = 0; state < 16; ++state) {
    const double p = chain.stationary()[static_cast<std::size_t>(state)];
    EXPECT_NEAR(starts[static_cast<std::size_t>(state)] / kSequences, p,
                5 * std::sqrt(p / kSequences));
    double total = 0;
    for (const double count : counts[state]) total += count;
    for (std::int64_t x = 0; x < 4; ++x) {
      const double q = chain.transition(state, x);
      EXPECT_NEAR(counts[state][static_cast<std::size_t>(x)] / total, q, 5 * std::sqrt(q / total));
    }
  }
  EXPECT_NEAR(loss / targets, chain.entropy_rate(), 5 / std::sqrt(targets));
}

TEST(Synthetic, SequencesDependOnSeedAndIndexAlone) {
  const Synthetic one = make(2, 8, 32, 1), again = make(2, 8, 32, 1), other = make(2, 8, 32, 2);
  EXPECT_EQ(train(one, 1000), train(again, 1000));
  EXPECT_NE(train(one, 1000), train(one, 1001));
  EXPECT_NE(train(one, 1000), train(other, 1000));
  EXPECT_EQ(one.fingerprint(), other.fingerprint());
  Sequence validation(33), of_other(33);
  one.validation_sequence(0, validation);
  other.validation_sequence(0, of_other);
  EXPECT_EQ(validation, of_other);
  // the process has seed 11: its training stream must not be the validation stream
  EXPECT_NE(train(make(2, 8, 32, 11), 0), validation);
}

TEST(Synthetic, NoTokenIsSeenTwice) {
  const Synthetic source = make(1, 16, 32);
  EXPECT_EQ(source.unique_tokens(32000), 32000);
  EXPECT_DOUBLE_EQ(source.epochs(32000), 1.0);
}

TEST(Synthetic, FingerprintNamesTheProcess) {
  const std::string base = make(2, 8, 32).fingerprint();
  EXPECT_EQ(base.size(), 16u);
  EXPECT_NE(Synthetic({"markov", 1, 8, 11}, 32, 1).fingerprint(), base);
  EXPECT_NE(Synthetic({"markov", 2, 9, 11}, 32, 1).fingerprint(), base);
  EXPECT_NE(Synthetic({"markov", 2, 8, 12}, 32, 1).fingerprint(), base);
}

TEST(Synthetic, RefusesWhatItCannotMake) {
  EXPECT_THROW(Synthetic({"noise", 1, 8, 1}, 32, 1), InputError);
  EXPECT_THROW(Synthetic({"markov", 0, 8, 1}, 32, 1), InputError);
  EXPECT_THROW(Synthetic({"markov", 1, 1, 1}, 32, 1), InputError);
  EXPECT_THROW(Synthetic({"markov", 4, 64, 1}, 32, 1), InputError);  // 2^30 transitions
  EXPECT_THROW(Synthetic({"markov", 3, 8, 1}, 2, 1), InputError);
  EXPECT_THROW(Synthetic({"markov", 1, 8, 1}, 32, 1, 0), InputError);
}

}  // namespace
}  // namespace isoflop::data
