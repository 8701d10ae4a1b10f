#include "kernels/api/embedding.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "attention_data.hpp"
#include "kernels/reference/embedding.hpp"

namespace isoflop::kernels {
namespace {

constexpr std::size_t kVocabulary = 11;

std::vector<std::int32_t> random_tokens(std::size_t count) {
  std::mt19937 engine(7);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(engine() % kVocabulary);
  return tokens;
}

template <class T>
class Embedding : public ::testing::Test {
 protected:
  device::Stream stream_;
  std::vector<EmbeddingShape> shapes_{{1, 1, 1}, {1, 3, 17}, {2, 5, 63}, {3, 17, 257}, {0, 4, 8}};
};
using Types = ::testing::Types<float, bf16>;
TYPED_TEST_SUITE(Embedding, Types);

TYPED_TEST(Embedding, ForwardIsTheRoundedSum) {
  using T = TypeParam;
  for (const EmbeddingShape& shape : this->shapes_) {
    for (const bool learned : {false, true}) {
      const auto tokens = random_tokens(shape.batch * shape.context);
      const auto table = random_values<T>(kVocabulary * shape.width, 1);
      const auto positions = random_values<T>(shape.context * shape.width, 2);
      const auto wide = to_double(positions);
      std::vector<T> x(tokens.size() * shape.width);
      std::vector<double> expected(x.size());
      embedding_forward(this->stream_, shape, tokens.data(), table.data(),
                        learned ? positions.data() : nullptr, x.data());
      reference::embedding_forward(shape, tokens.data(), to_double(table).data(),
                                   learned ? wide.data() : nullptr, expected.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_EQ(static_cast<float>(x[i]), static_cast<float>(T(static_cast<float>(expected[i]))));
      }
    }
  }
}

TYPED_TEST(Embedding, BackwardAccumulatesInTokenOrder) {
  using T = TypeParam;
  for (const EmbeddingShape& shape : this->shapes_) {
    for (const bool learned : {false, true}) {
      const auto tokens = random_tokens(shape.batch * shape.context);
      const auto dx = random_values<T>(tokens.size() * shape.width, 3);
      std::vector<float> d_table(kVocabulary * shape.width, 0.25f);
      std::vector<float> d_positions(shape.context * shape.width, -0.25f);
      std::vector<double> table(d_table.size(), 0.25), positions(d_positions.size(), -0.25);
      std::vector<float> in_order = d_table;
      for (std::size_t i = 0; i < dx.size(); ++i) {
        in_order[static_cast<std::size_t>(tokens[i / shape.width]) * shape.width +
                 i % shape.width] += static_cast<float>(dx[i]);
      }
      embedding_backward(this->stream_, shape, tokens.data(), dx.data(), d_table.data(),
                         learned ? d_positions.data() : nullptr);
      reference::embedding_backward(shape, tokens.data(), to_double(dx).data(), table.data(),
                                    learned ? positions.data() : nullptr);
      EXPECT_EQ(d_table, in_order);
      EXPECT_LE(largest_difference(d_table, table), 1e-6 * (1.0 + largest(table)));
      EXPECT_LE(largest_difference(d_positions, positions), 1e-6 * (1.0 + largest(positions)));
    }
  }
}

// What each rank has of the tables gives what it has of the sum and of the gradients.
TYPED_TEST(Embedding, HeldRowsAddUpToTheWhole) {
  using T = TypeParam;
  const EmbeddingShape whole{2, 6, 5};
  const std::size_t width = whole.width, cut = 4, position_cut = 3;
  const auto tokens = random_tokens(whole.batch * whole.context);
  const auto table = random_values<T>(kVocabulary * width, 1);
  const auto positions = random_values<T>(whole.context * width, 2);
  const auto dx = random_values<T>(tokens.size() * width, 3);
  std::vector<T> x(tokens.size() * width);
  std::vector<float> d_table(table.size()), d_positions(positions.size());
  embedding_forward(this->stream_, whole, tokens.data(), table.data(), positions.data(), x.data());
  embedding_backward(this->stream_, whole, tokens.data(), dx.data(), d_table.data(),
                     d_positions.data());
  std::vector<float> sum(x.size());
  std::vector<float> d_table_held, d_positions_held;
  for (const bool first : {true, false}) {
    EmbeddingShape shape = whole;
    shape.vocabulary = first ? HeldRows{0, cut} : HeldRows{cut, kVocabulary - cut};
    shape.positions =
        first ? HeldRows{0, position_cut} : HeldRows{position_cut, whole.context - position_cut};
    std::vector<T> part(x.size());
    embedding_forward(this->stream_, shape, tokens.data(),
                      table.data() + shape.vocabulary.begin * width,
                      positions.data() + shape.positions.begin * width, part.data());
    for (std::size_t i = 0; i < x.size(); ++i) sum[i] += static_cast<float>(part[i]);
    std::vector<float> own(shape.vocabulary.count * width), own_p(shape.positions.count * width);
    embedding_backward(this->stream_, shape, tokens.data(), dx.data(), own.data(), own_p.data());
    d_table_held.insert(d_table_held.end(), own.begin(), own.end());
    d_positions_held.insert(d_positions_held.end(), own_p.begin(), own_p.end());
  }
  for (std::size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(static_cast<float>(T(sum[i])), static_cast<float>(x[i]));
  EXPECT_EQ(d_table_held, d_table);
  EXPECT_EQ(d_positions_held, d_positions);
}

}  // namespace
}  // namespace isoflop::kernels
