#include "kernels/api/cross_entropy.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "attention_data.hpp"
#include "kernels/reference/cross_entropy.hpp"

namespace isoflop::kernels {
namespace {

constexpr std::size_t kRows = 3;
constexpr float kScale = 1.0f / 48.0f;
const std::size_t kVocabularies[] = {1, 3, 17, 63, 257, 1000, 1025, 50304};

struct Batch {
  explicit Batch(std::size_t vocabulary) : logits(random_values<float>(kRows * vocabulary, 1)) {
    for (float& logit : logits) logit *= 8.0f;
    const auto last = static_cast<std::int32_t>(vocabulary - 1);
    targets = {0, last, last / 2};
  }
  std::vector<float> logits;
  std::vector<std::int32_t> targets;
};

TEST(CrossEntropy, ForwardMatchesReference) {
  device::Stream stream;
  for (const std::size_t vocabulary : kVocabularies) {
    const Batch batch(vocabulary);
    std::vector<float> losses(kRows);
    cross_entropy_forward(stream, kRows, vocabulary, batch.logits.data(), batch.targets.data(),
                          losses.data());
    const std::vector<double> logits = to_double(batch.logits);
    for (std::size_t row = 0; row < kRows; ++row) {
      const double expected = reference::cross_entropy(vocabulary, logits.data() + row * vocabulary,
                                                       batch.targets[row], 0.0, nullptr);
      EXPECT_NEAR(losses[row], expected, 2e-6 * (1.0 + expected));
    }
  }
}

template <class T>
class CrossEntropyBackward : public ::testing::Test {};
using Types = ::testing::Types<float, bf16>;
TYPED_TEST_SUITE(CrossEntropyBackward, Types);

TYPED_TEST(CrossEntropyBackward, MatchesReferenceAndForward) {
  using T = TypeParam;
  device::Stream stream;
  for (const std::size_t vocabulary : kVocabularies) {
    const Batch batch(vocabulary);
    std::vector<float> losses(kRows), forward(kRows);
    std::vector<T> d_logits(batch.logits.size());
    std::vector<float> spent = batch.logits;
    cross_entropy_backward(stream, kRows, vocabulary, spent.data(), batch.targets.data(), kScale,
                           losses.data(), d_logits.data());
    cross_entropy_forward(stream, kRows, vocabulary, batch.logits.data(), batch.targets.data(),
                          forward.data());
    EXPECT_EQ(losses, forward);
    std::vector<double> expected(vocabulary);
    const std::vector<double> logits = to_double(batch.logits);
    for (std::size_t row = 0; row < kRows; ++row) {
      reference::cross_entropy(vocabulary, logits.data() + row * vocabulary, batch.targets[row],
                               double{kScale}, expected.data());
      for (std::size_t i = 0; i < vocabulary; ++i) {
        const double relative = unit_roundoff<T>() + 0x1p-20;
        ASSERT_NEAR(static_cast<float>(d_logits[row * vocabulary + i]), expected[i],
                    relative * std::abs(expected[i]) + 0x1p-22 * double{kScale});
      }
    }
  }
}

// Losses and gradients [rows, vocabulary] of a vocabulary that is cut at `cuts` (0 and its size
// among them).
template <class T>
std::pair<std::vector<float>, std::vector<T>> in_pieces(const Batch& batch, std::size_t vocabulary,
                                                        const std::vector<std::size_t>& cuts) {
  device::Stream stream;
  const std::size_t count = cuts.size() - 1;
  std::vector<std::vector<float>> logits(count);
  std::vector<SoftmaxPiece> pieces(count * kRows), whole(kRows);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t row = 0; row < kRows; ++row)
      logits[i].insert(logits[i].end(), batch.logits.begin() + row * vocabulary + cuts[i],
                       batch.logits.begin() + row * vocabulary + cuts[i + 1]);
    cross_entropy_piece(stream, kRows, cuts[i], cuts[i + 1] - cuts[i], logits[i].data(),
                        batch.targets.data(), pieces.data() + i * kRows);
  }
  std::vector<float> losses(kRows);
  cross_entropy_join(stream, kRows, count, pieces.data(), whole.data(), losses.data());
  std::vector<T> gradient(batch.logits.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t width = cuts[i + 1] - cuts[i];
    std::vector<T> own(kRows * width);
    cross_entropy_piece_gradient(stream, kRows, cuts[i], width, logits[i].data(),
                                 batch.targets.data(), pieces.data() + i * kRows, whole.data(),
                                 kScale, own.data());
    for (std::size_t row = 0; row < kRows; ++row)
      std::copy_n(own.begin() + row * width, width, gradient.begin() + row * vocabulary + cuts[i]);
  }
  return {losses, gradient};
}

TYPED_TEST(CrossEntropyBackward, PiecesOfTheVocabularyMatchReference) {
  using T = TypeParam;
  for (const std::size_t vocabulary : {3u, 17u, 257u, 1025u}) {
    const Batch batch(vocabulary);
    const std::vector<double> logits = to_double(batch.logits);
    const std::vector<std::vector<std::size_t>> all_cuts = {
        {0, vocabulary}, {0, 1, vocabulary}, {0, vocabulary / 2, vocabulary - 1, vocabulary}};
    for (const auto& cuts : all_cuts) {
      const auto [losses, gradient] = in_pieces<T>(batch, vocabulary, cuts);
      std::vector<double> expected(vocabulary);
      for (std::size_t row = 0; row < kRows; ++row) {
        const double loss =
            reference::cross_entropy(vocabulary, logits.data() + row * vocabulary,
                                     batch.targets[row], double{kScale}, expected.data());
        EXPECT_NEAR(losses[row], loss, 2e-6 * (1.0 + loss));
        for (std::size_t i = 0; i < vocabulary; ++i) {
          const double relative = unit_roundoff<T>() + 0x1p-19;
          ASSERT_NEAR(static_cast<float>(gradient[row * vocabulary + i]), expected[i],
                      relative * std::abs(expected[i]) + 0x1p-22 * double{kScale});
        }
      }
    }
  }
}

TEST(CrossEntropy, ANonFiniteLogitInAnyPieceGivesANonFiniteLoss) {
  constexpr std::size_t kVocabulary = 12;
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t place : {0u, 5u, 11u}) {
      Batch batch(kVocabulary);
      batch.logits[kVocabulary + place] = bad;
      const auto losses = in_pieces<float>(batch, kVocabulary, {0, 4, 8, kVocabulary}).first;
      EXPECT_TRUE(std::isfinite(losses[0]));
      EXPECT_FALSE(std::isfinite(losses[1])) << bad << " at " << place;
      EXPECT_TRUE(std::isfinite(losses[2]));
    }
  }
}

TEST(CrossEntropy, GradientMayTakeThePlaceOfTheLogits) {
  device::Stream stream;
  for (const std::size_t vocabulary : {1u, 17u, 1000u}) {
    Batch batch(vocabulary);
    std::vector<float> losses(kRows), apart(batch.logits.size());
    std::vector<float> spent = batch.logits;
    cross_entropy_backward(stream, kRows, vocabulary, spent.data(), batch.targets.data(), kScale,
                           losses.data(), apart.data());
    cross_entropy_backward(stream, kRows, vocabulary, batch.logits.data(), batch.targets.data(),
                           kScale, losses.data(), batch.logits.data());
    EXPECT_EQ(batch.logits, apart);
  }
}

TEST(CrossEntropy, ExtremeLogitsStayFinite) {
  device::Stream stream;
  std::vector<float> logits{3e38f, -3e38f, 0.0f, 500.0f, 499.0f, -1000.0f};
  const std::vector<std::int32_t> targets{0, 1};
  std::vector<float> losses(2), d_logits(6);
  cross_entropy_backward(stream, 2, 3, logits.data(), targets.data(), 1.0f, losses.data(),
                         d_logits.data());
  EXPECT_EQ(losses[0], 0.0f);
  EXPECT_NEAR(losses[1], 1.0 + std::log1p(std::exp(-1.0)), 1e-6);
  for (const float value : d_logits) EXPECT_TRUE(std::isfinite(value));
}

TEST(CrossEntropy, NonFiniteLogitsGiveNonFiniteLosses) {
  device::Stream stream;
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t vocabulary : {1u, 3u, 40u, 1000u}) {
      for (const std::size_t place : {std::size_t{0}, vocabulary / 2, vocabulary - 1}) {
        Batch batch(vocabulary);
        batch.logits[vocabulary + place] = bad;
        std::vector<float> losses(kRows);
        cross_entropy_forward(stream, kRows, vocabulary, batch.logits.data(), batch.targets.data(),
                              losses.data());
        EXPECT_TRUE(std::isfinite(losses[0]));
        EXPECT_FALSE(std::isfinite(losses[1])) << bad << " at " << place << " of " << vocabulary;
        EXPECT_TRUE(std::isfinite(losses[2]));
      }
    }
  }
}

TEST(CrossEntropyReference, GradientAgreesWithFiniteDifferences) {
  std::vector<double> logits = to_double(random_values<float>(9, 2));
  std::vector<double> gradient(9);
  reference::cross_entropy(9, logits.data(), 4, 1.0, gradient.data());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double before = logits[i], h = 1e-6;
    logits[i] = before + h;
    const double above = reference::cross_entropy(9, logits.data(), 4, 1.0, nullptr);
    logits[i] = before - h;
    const double below = reference::cross_entropy(9, logits.data(), 4, 1.0, nullptr);
    logits[i] = before;
    EXPECT_NEAR(gradient[i], (above - below) / (2.0 * h), 1e-8);
  }
}

}  // namespace
}  // namespace isoflop::kernels
