#include "data/mixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "core/error.hpp"
#include "data/permutation.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/unit/data/small_corpus.hpp"

namespace isoflop::data {
namespace {

constexpr std::int64_t kContext = 8;

/// Two sources whose tokens tell where they stand: a counts up, b down.
class MixtureTest : public testing::Test {
 protected:
  MixtureTest() {
    test::write_small_corpus(scratch_.path(),
                             {{"a", test::ramp(1000, 0, 1), test::ramp(50, 3, 1)},
                              {"b", test::ramp(3000, 255, 255), test::ramp(20, 7, 1)}},
                             129);
    corpus_ = Corpus::open(scratch_.path());
  }

  std::vector<std::int32_t> sequence(const Mixture& mixture, std::uint64_t g) {
    std::vector<std::int32_t> tokens(kContext + 1);
    mixture.sequence(g, tokens);
    return tokens;
  }

  isoflop::test::ScratchDirectory scratch_;
  std::shared_ptr<const Corpus> corpus_;
};

TEST(Permutation, IsOneForEverySize) {
  for (const std::uint64_t size : {1u, 2u, 3u, 5u, 64u, 65u, 1000u}) {
    const Permutation permutation(size, 7, 1, 2);
    std::set<std::uint64_t> images;
    for (std::uint64_t i = 0; i < size; ++i) {
      EXPECT_LT(permutation(i), size);
      images.insert(permutation(i));
    }
    EXPECT_EQ(images.size(), size);
  }
}

TEST(Permutation, ScattersNeighboursAndChangesWithEveryKey) {
  constexpr std::uint64_t kSize = 10000;
  const Permutation one(kSize, 7, 0, 0);
  const Permutation others[] = {{kSize, 8, 0, 0}, {kSize, 7, 1, 0}, {kSize, 7, 0, 1}};
  double distance = 0;
  for (std::uint64_t i = 0; i + 1 < kSize; ++i) {
    distance += std::abs(static_cast<double>(one(i)) - static_cast<double>(one(i + 1)));
  }
  // two uniform points are a third of the range apart on average, +- 0.24 range / sqrt(count)
  EXPECT_NEAR(distance / kSize / kSize, 1.0 / 3.0, 0.01);
  for (const Permutation& other : others) {
    std::uint64_t same = 0;
    for (std::uint64_t i = 0; i < kSize; ++i) same += one(i) == other(i);
    EXPECT_LT(same, 10u);  // one is expected
  }
}

TEST_F(MixtureTest, AnEpochVisitsEveryWindowOnceAndTheNextInAnotherOrder) {
  const Mixture mixture(corpus_, kContext, 1);
  ASSERT_EQ(mixture.windows(0), 124);                              // (1000 - 1) / 8
  ASSERT_EQ(mixture.windows(1), 374);                              // (3000 - 1) / 8
  std::array<std::array<std::vector<std::uint64_t>, 2>, 2> order;  // [source][epoch]
  for (std::uint64_t g = 0; g < 3000; ++g) {
    const Mixture::Place place = mixture.place(g);
    if (place.epoch < 2) order[place.source][place.epoch].push_back(place.window);
  }
  for (std::size_t source = 0; source < 2; ++source) {
    for (std::vector<std::uint64_t> epoch : order[source]) {
      ASSERT_EQ(static_cast<std::int64_t>(epoch.size()), mixture.windows(source));
      EXPECT_FALSE(std::is_sorted(epoch.begin(), epoch.end()));
      std::sort(epoch.begin(), epoch.end());
      for (std::size_t i = 0; i < epoch.size(); ++i) EXPECT_EQ(epoch[i], i);
    }
    EXPECT_NE(order[source][0], order[source][1]);
  }
}

TEST_F(MixtureTest, SequencesAreTheTokensOfTheirWindowAlsoAcrossShards) {
  const Mixture mixture(corpus_, kContext, 5);
  for (std::uint64_t g = 0; g < 1024; ++g) {
    const Mixture::Place place = mixture.place(g);
    const std::vector<std::int32_t> tokens = sequence(mixture, g);
    const auto first = static_cast<std::int32_t>(place.window * kContext);
    for (std::int32_t i = 0; i <= kContext; ++i) {
      const std::int32_t at = first + i;
      const std::int32_t wanted = place.source == 0 ? at % 256 : (255 + 255 * at) % 256;
      ASSERT_EQ(tokens[static_cast<std::size_t>(i)], wanted) << "sequence " << g;
    }
  }
}

TEST_F(MixtureTest, ASequenceDoesNotDependOnWhatWasReadBefore) {
  const Mixture forward(corpus_, kContext, 3), backward(corpus_, kContext, 3);
  std::map<std::uint64_t, std::vector<std::int32_t>> seen;
  for (std::uint64_t g = 0; g < 700; ++g) seen[g] = sequence(forward, g);
  for (std::uint64_t g = 700; g-- > 0;) EXPECT_EQ(sequence(backward, g), seen[g]);
  const Mixture other_seed(corpus_, kContext, 4);
  std::uint64_t same = 0;
  for (std::uint64_t g = 0; g < 700; ++g) same += sequence(other_seed, g) == seen[g];
  EXPECT_LT(same, 70u);
}

TEST_F(MixtureTest, SharesFollowTheWeights) {
  const std::vector<double> weights{3, 1};
  const Mixture mixture(corpus_, kContext, 1, weights);
  std::array<int, 2> count{};
  for (std::uint64_t g = 2048; g < 2048 + 1024; ++g) ++count[mixture.place(g).source];
  EXPECT_EQ(count[0], 768);
  EXPECT_EQ(count[1], 256);
  EXPECT_NE(mixture.fingerprint(), corpus_->fingerprint());

  const Mixture proportional(corpus_, kContext, 1);
  count = {};
  for (std::uint64_t g = 0; g < 1024; ++g) ++count[proportional.place(g).source];
  EXPECT_EQ(count[0], 256);  // 1000 of 4000 tokens
  EXPECT_EQ(proportional.fingerprint(), corpus_->fingerprint());
}

TEST_F(MixtureTest, UniqueTokensAgreeWithCounting) {
  const std::vector<double> weights{1, 2};
  const Mixture mixture(corpus_, kContext, 9, weights);
  std::set<std::pair<std::size_t, std::uint64_t>> seen;
  for (std::int64_t sequences = 0; sequences < 2500; ++sequences) {
    const auto wanted = static_cast<std::int64_t>(seen.size()) * kContext;
    ASSERT_EQ(mixture.unique_tokens(sequences * kContext), wanted) << sequences;
    const Mixture::Place place = mixture.place(static_cast<std::uint64_t>(sequences));
    seen.insert({place.source, place.window});
  }
  EXPECT_DOUBLE_EQ(mixture.epochs(kContext), 1.0);
  EXPECT_GT(mixture.epochs(2500 * kContext), 5.0);  // 498 windows in all
}

TEST_F(MixtureTest, ValidationIsEveryWindowOfEverySourceInOrder) {
  const Mixture mixture(corpus_, kContext, 1), other_seed(corpus_, kContext, 2);
  ASSERT_EQ(mixture.validation_sequences(), 6 + 2);  // (50 - 1) / 8 + (20 - 1) / 8
  std::vector<std::int32_t> tokens(kContext + 1), others(kContext + 1);
  for (std::int64_t i = 0; i < 8; ++i) {
    mixture.validation_sequence(i, tokens);
    other_seed.validation_sequence(i, others);
    EXPECT_EQ(tokens, others);
    const std::int64_t first = i < 6 ? 3 + 8 * i : 7 + 8 * (i - 6);
    for (std::int64_t t = 0; t <= kContext; ++t) {
      EXPECT_EQ(tokens[static_cast<std::size_t>(t)], first + t);
    }
  }
  EXPECT_DOUBLE_EQ(mixture.validation_bytes_per_token(), 1.0);
}

TEST_F(MixtureTest, BoundariesAreTokensWithoutBytes) {
  std::vector<std::uint16_t> validation = test::ramp(9, 0, 1);
  validation[4] = 256;
  test::write_small_corpus(scratch_.path(), {{"a", test::ramp(100, 0, 1), validation}}, 1000);
  const Mixture mixture(Corpus::open(scratch_.path()), kContext, 1);
  EXPECT_DOUBLE_EQ(mixture.validation_bytes_per_token(), 7.0 / 8.0);
}

TEST_F(MixtureTest, RefusesWhatCannotBeHonoured) {
  EXPECT_THROW(Mixture(corpus_, 0, 1), InputError);
  EXPECT_THROW(Mixture(corpus_, 1000, 1), InputError);  // source a has 1000 tokens, needs 1001
  EXPECT_THROW(Mixture(corpus_, 60, 1), InputError);    // no validation window
  for (const std::vector<double>& weights :
       {std::vector<double>{1.0}, {1.0, 0.0}, {1.0, -1.0}, {1.0, 1e-4}, {1.0, std::nan("")}}) {
    EXPECT_THROW(Mixture(corpus_, kContext, 1, weights), InputError);
  }
}

TEST(PatternCounts, AreTheLargestRemainders) {
  const std::vector<std::string> names{"a", "b", "c"};
  EXPECT_EQ(pattern_counts(std::vector<double>{1, 1, 1}, names),
            (std::vector<std::int64_t>{342, 341, 341}));
  EXPECT_EQ(pattern_counts(std::vector<double>{0.5, 0.3, 0.2}, names),
            (std::vector<std::int64_t>{512, 307, 205}));
}

}  // namespace
}  // namespace isoflop::data
