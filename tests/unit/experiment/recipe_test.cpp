#include "experiment/recipe.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../laws/synthetic.hpp"
#include "core/error.hpp"
#include "model/cost.hpp"

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

// Li et al. 2025: N 7e9 without embeddings, D 1.4e12.
TEST(Recipe, SettingsAreThePublishedOnesWithoutFits) {
  RecipeOptions options = options_for(50304);
  options.family.count_embeddings = false;
  const Recipe recipe = make_recipe(optimum_of(7e9, 1.4e12), options, 0.8);
  EXPECT_NEAR(recipe.learning_rate.value, 9.17e-4, 5e-7);
  EXPECT_NEAR(recipe.batch.value, 5.00e6, 5e3);
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

// The same constants say the same, whether they come as the Step Law or as a fit of it.
TEST(Recipe, AFitOfTheStepLawReadsParametersWithoutEmbeddings) {
  const laws::Fit fit = laws::synthetic::fit_of("step-lr", {1.79, 0.713, 0.307});
  const laws::Optimum optimum = optimum_of(1e8, 2e9);
  for (const bool count_embeddings : {true, false}) {
    RecipeOptions options = options_for(50304);
    options.family.count_embeddings = count_embeddings;
    const double published = make_recipe(optimum, options, 0.8).learning_rate.value;
    options.learning_rate = &fit;
    EXPECT_NEAR(make_recipe(optimum, options, 0.8).learning_rate.value / published, 1, 1e-12);
  }
}

TEST(Recipe, AFitReadsWhatItsPointsCounted) {
  const laws::Optimum optimum = optimum_of(1e8, 2e9);
  RecipeOptions options = options_for(50304);
  laws::Fit by_size = laws::synthetic::fit_of("step-lr", {1.79, 0.713, 0.307});
  by_size.conventions.params = "total";
  options.learning_rate = &by_size;
  EXPECT_NEAR(make_recipe(optimum, options, 0.8).learning_rate.value,
              1.79 * std::pow(1e8, -0.713) * std::pow(2e9, 0.307), 1e-12);

  laws::Fit by_flops = laws::synthetic::fit_of("deepseek-lr", {0.3118, 0.125});
  options.learning_rate = &by_flops;
  const auto rate = [](double flops) { return 0.3118 * std::pow(flops, -0.125); };
  const Recipe sixfold = make_recipe(optimum, options, 0.8);
  const double share =
      static_cast<double>(sixfold.n_non_embedding) / static_cast<double>(sixfold.n_total);
  EXPECT_NEAR(sixfold.learning_rate.value, rate(6 * 1e8 * share * 2e9), 1e-12);
  by_flops.conventions.flops = "exact";
  const Recipe exact = make_recipe(optimum, options, 0.8);
  EXPECT_NEAR(exact.learning_rate.value, rate(model::flops_per_token_exact(exact.shape) * 2e9),
              1e-12);
  by_flops.conventions.flops = "other";
  EXPECT_THROW(make_recipe(optimum, options, 0.8), InputError);
}

TEST(Recipe, AFitOfActiveParametersServesAnOptimumOfActiveOnes) {
  laws::Fit rate = laws::synthetic::fit_of("step-lr", {1.79, 0.713, 0.307});
  rate.conventions.params = "active";
  const laws::Optimum optimum = optimum_of(1e8, 2e9);
  RecipeOptions options = options_for(50304);
  options.learning_rate = &rate;
  options.params_kind = "active";
  EXPECT_NEAR(make_recipe(optimum, options, 0.8).learning_rate.value,
              1.79 * std::pow(1e8, -0.713) * std::pow(2e9, 0.307), 1e-12);
  options.params_kind = "total";
  EXPECT_THROW(make_recipe(optimum, options, 0.8), InputError);
}

TEST(Recipe, KindsCountForWhatAFitReads) {
  laws::Fit batch = laws::synthetic::fit_of("step-batch", {0.58, 0.571});
  batch.conventions.params = "active";  // it reads tokens alone
  batch.conventions.flops = "other";
  RecipeOptions options = options_for(50304);
  options.params_kind = "total";
  options.batch = &batch;
  EXPECT_NEAR(make_recipe(optimum_of(1e8, 2e9), options, 0.8).batch.value,
              0.58 * std::pow(2e9, 0.571), 1e-6);
}

TEST(Recipe, OfDrawsThatNothingBoundsNoRateIsKnown) {
  laws::Optimum optimum = optimum_of(1e8, 2e9);
  optimum.draws.push_back({std::numeric_limits<double>::infinity(), 1, 0});
  const Recipe recipe = make_recipe(optimum, options_for(50304), 0.8);
  EXPECT_FALSE(recipe.learning_rate.interval);
  EXPECT_TRUE(recipe.batch.interval);

  laws::Fit batch = laws::synthetic::fit_of("step-batch", {0.58, 0.571});
  batch.members.front().noise = 0.01;
  RecipeOptions options = options_for(50304);
  options.batch = &batch;
  const Recipe fitted = make_recipe(optimum, options, 0.8);
  EXPECT_FALSE(fitted.batch.interval);
  EXPECT_FALSE(fitted.steps_interval);
}

// A fitted law adds its own error to the spread of N* and D*; hypot of both in the logarithm.
TEST(Recipe, AFitHoldsItsOwnErrorAndTheSpreadOfTheOptimum) {
  laws::Fit sure = laws::synthetic::fit_of("step-batch", {0.58, 0.571});
  const laws::Optimum optimum = optimum_of(1e8, 2e9);
  RecipeOptions options = options_for(50304);
  const auto width = [&](const laws::Fit* batch) {
    options.batch = batch;
    const auto interval = *make_recipe(optimum, options, 0.8).batch.interval;
    return std::log(interval.high / interval.low);
  };
  const double published = width(nullptr);
  EXPECT_NEAR(width(&sure) / published, 1, 1e-9);
  laws::Fit unsure = sure;
  unsure.members.front().noise = 0.01;  // its information is the unit matrix
  laws::Optimum point = optimum;
  point.draws.assign(5, {point.params, point.tokens, 0});
  options.batch = &unsure;
  const auto own = *make_recipe(point, options, 0.8).batch.interval;
  const double alone = std::log(own.high / own.low);
  EXPECT_GT(alone, 0);
  EXPECT_NEAR(width(&unsure) / std::hypot(alone, published), 1, 0.02);
}

TEST(Recipe, TheShapeHasARangeByTheParams) {
  laws::Optimum optimum = optimum_of(7e9, 1.4e12);
  EXPECT_FALSE(make_recipe(optimum, options_for(50304), 0.8).shapes);
  optimum.params_interval = laws::Interval{0.8, 3e9, 1.5e10, "", "", {}};
  const auto shapes = make_recipe(optimum, options_for(50304), 0.8).shapes;
  ASSERT_TRUE(shapes);
  EXPECT_LT(shapes->low.width, shapes->high.width);
}

// The family trades depth for width along N: the ends have fewer or more layers than what lies
// between.
TEST(Recipe, TheRangeOfTheShapeHoldsEveryShapeOfTheParams) {
  const RecipeOptions options = options_for(50304);
  for (const double params : {1.37e7, 3.28e8, 2.51e9})
    for (const double factor : {1.01, 1.06, 1.3}) {
      laws::Optimum optimum = optimum_of(params, 20 * params);
      optimum.params_interval = laws::Interval{0.8, params / factor, params * factor, "", "", {}};
      const auto shapes = make_recipe(optimum, options, 0.8).shapes;
      ASSERT_TRUE(shapes) << params;
      for (const double part : {1 / factor, 1.0, factor}) {
        const model::ModelConfig shape = model::shape_for(options.family, params * part);
        EXPECT_TRUE(shapes->low.layers <= shape.layers && shape.layers <= shapes->high.layers);
        EXPECT_TRUE(shapes->low.width <= shape.width && shape.width <= shapes->high.width);
        EXPECT_TRUE(shapes->low.heads <= shape.heads && shape.heads <= shapes->high.heads);
      }
    }
}

TEST(Recipe, DrawsWithoutARunAreNotForgotten) {
  laws::Optimum optimum = optimum_of(1e8, 2e9);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  optimum.draws.insert(optimum.draws.end(), 2, {kInfinity, kInfinity, kInfinity});
  const Recipe recipe = make_recipe(optimum, options_for(50304), 0.8);
  EXPECT_FALSE(recipe.learning_rate.interval);
  ASSERT_TRUE(recipe.batch.interval && recipe.steps_interval);
  EXPECT_TRUE(std::isinf(recipe.batch.interval->high));
  EXPECT_TRUE(std::isinf(recipe.steps_interval->high));
  EXPECT_NE(describe(recipe).find("no limit"), std::string::npos);

  // of a rate at such a draw nobody knows anything: its law's own interval would be too narrow
  laws::Fit unsure = laws::synthetic::fit_of("step-lr", {1.79, 0.713, 0.307});
  unsure.members.front().noise = 0.01;
  RecipeOptions options = options_for(50304);
  options.learning_rate = &unsure;
  EXPECT_FALSE(make_recipe(optimum, options, 0.8).learning_rate.interval);
  laws::Fit batch = laws::synthetic::fit_of("step-batch", {0.58, 0.571});
  batch.members.front().noise = 0.01;
  options.batch = &batch;
  optimum.draws.clear();
  EXPECT_TRUE(make_recipe(optimum, options, 0.8).learning_rate.interval);
  EXPECT_TRUE(make_recipe(optimum, options, 0.8).steps_interval);

  // a fit without draws knows no spread; one that lost too many knows that there is one
  optimum.is_spread_unknown = true;
  EXPECT_FALSE(make_recipe(optimum, options, 0.8).learning_rate.interval);
  EXPECT_FALSE(make_recipe(optimum, options, 0.8).steps_interval);
}

}  // namespace
}  // namespace isoflop::experiment
