#include "model/family.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "model/parameters.hpp"

namespace isoflop::model {
namespace {

Family family() {
  Family family;
  family.base.context = 2048;
  family.base.vocabulary = 50304;
  return family;
}

TEST(Family, ShapesHaveTheParametersAskedForAndAUsualAspect) {
  for (double params = 4e7; params < 2e12; params *= 1.7) {
    const ModelConfig shape = shape_for(family(), params);
    const auto n = static_cast<double>(ParameterTable(shape).n_total());
    const double aspect = static_cast<double>(shape.width) / static_cast<double>(shape.layers);
    EXPECT_LT(std::fabs(std::log(n / params)), 0.06) << params;
    EXPECT_GT(aspect, 50) << params;
    EXPECT_LT(aspect, 200) << params;
    EXPECT_EQ(problem(shape), "") << params;
  }
}

TEST(Family, LargeModelsHaveWideHeads) {
  EXPECT_EQ(shape_for(family(), 1e8).head_width(), 64u);
  EXPECT_EQ(shape_for(family(), 7e10).head_width(), 128u);
  Family narrow = family();
  narrow.head_width = 32;
  EXPECT_EQ(shape_for(narrow, 7e10).head_width(), 32u);
}

TEST(Family, CountsParametersAsAsked) {
  Family without = family();
  without.count_embeddings = false;
  const ModelConfig shape = shape_for(without, 1e8);
  EXPECT_NEAR(static_cast<double>(ParameterTable(shape).n_non_embedding()) / 1e8, 1, 0.05);
}

TEST(Family, RefusesWhatHasNoShape) {
  EXPECT_THROW(shape_for(family(), 1e5), InputError);  // the embeddings alone have more
  EXPECT_THROW(shape_for(family(), -1), InputError);
  EXPECT_THROW(shape_for(Family{}, 1e9), InputError);
}

}  // namespace
}  // namespace isoflop::model
