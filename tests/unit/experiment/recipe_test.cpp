#include "experiment/recipe.hpp"

#include <gtest/gtest.h>

namespace isoflop::experiment {
namespace {

laws::Optimum optimum_of(double params, double tokens) {
  laws::Optimum optimum;
  optimum.params = params;
  optimum.tokens = tokens;
  optimum.flops = 6 * params * tokens;
  for (const double factor : {0.8, 0.9, 1.0, 1.1, 1.2})
    optimum.draws.push_back({params * factor, tokens / factor, 0});
  return optimum;
}

RecipeOptions options_for(std::size_t vocabulary) {
  RecipeOptions options;
  options.family.base.context = 2048;
  options.family.base.vocabulary = vocabulary;
  return options;
}

// Li et al. 2025: N 7e9, D 1.4e12.
TEST(StepLaw, PublishedValues) {
  EXPECT_NEAR(step_law::learning_rate(7e9, 1.4e12), 9.17e-4, 5e-7);
  EXPECT_NEAR(step_law::batch_tokens(1.4e12), 5.00e6, 5e3);
}

TEST(Recipe, StepsSeeTheTokensOfTheOptimum) {
  const Recipe recipe = make_recipe(optimum_of(7e9, 1.4e12), options_for(50304), 0.8);
  const double tokens = static_cast<double>(recipe.tokens());
  EXPECT_GE(tokens, 1.4e12);
  EXPECT_LT(tokens, 1.4e12 + 2048.0 * static_cast<double>(recipe.sequences));
  EXPECT_NEAR(2048.0 * static_cast<double>(recipe.sequences) / recipe.batch.value, 1, 1e-3);
  EXPECT_NE(recipe.learning_rate.source.find("not fitted to your runs"), std::string::npos);
  ASSERT_TRUE(recipe.learning_rate.interval && recipe.steps_interval);
  EXPECT_LT(recipe.learning_rate.interval->low, recipe.learning_rate.value);
  EXPECT_GT(recipe.learning_rate.interval->high, recipe.learning_rate.value);
  const double steps = static_cast<double>(recipe.steps);
  EXPECT_LT(recipe.steps_interval->low, steps);
  EXPECT_GT(recipe.steps_interval->high, steps);
}

TEST(Recipe, StepLawReadsParametersWithoutEmbeddings) {
  const laws::Optimum optimum = optimum_of(1e8, 2e9);
  const Recipe few = make_recipe(optimum, options_for(256), 0.8);
  const Recipe many = make_recipe(optimum, options_for(65536), 0.8);
  EXPECT_GT(many.learning_rate.value, few.learning_rate.value);
}

}  // namespace
}  // namespace isoflop::experiment
