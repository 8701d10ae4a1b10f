// Fits with parameters held at given values.
#include "laws/fit/fixed.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "laws/fit/rollout.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/predict/prediction_json.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

const std::vector<NamedValue> kFloor = {{"E", 1.8172}};

class FixedFloor : public ::testing::Test {
 protected:
  Fit fit_with(std::vector<NamedValue> fixed) const {
    return fit(points,
               {.law = "chinchilla", .bootstrap = 40, .fixed = std::move(fixed), .details = true});
  }
  Points points = synthetic::noisy_grid(synthetic::kEpoch, 0.005, 3);
};

TEST_F(FixedFloor, StaysInTheFitItsDrawsAndItsAlternatives) {
  const Fit result = fit_with(kFloor);
  EXPECT_NEAR(result.parameters[0].value, 1.8172, 1e-14);
  EXPECT_TRUE(std::isnan(result.parameters[0].standard_error));
  EXPECT_GT(result.parameters[1].standard_error, 0);
  for (const auto& row : result.draws.rows) EXPECT_EQ(row[0], result.parameters[0].value);
  for (const Alternative& one : result.alternatives)
    EXPECT_EQ(one.parameters[0], result.parameters[0].value) << one.loss;
  ASSERT_EQ(result.profiles.size(), 1u);
  EXPECT_EQ(result.profiles[0].name, "a");
  EXPECT_EQ(result.fixed, std::vector<std::string>{"E"});
  for (const std::string& warning : result.warnings)
    EXPECT_EQ(warning.find("E = "), std::string::npos) << warning;
}

TEST_F(FixedFloor, LeavesLessOpen) {
  const auto width = [](const Fit& one) {
    const Prediction far = predict(one, 1e11, 2e12);
    return far.interval->high - far.interval->low;
  };
  EXPECT_LT(width(fit_with(kFloor)), width(fit_with({})));
  EXPECT_LT(fit_with(kFloor).parameters[1].standard_error,
            fit_with({}).parameters[1].standard_error);
}

TEST_F(FixedFloor, NeedsOnePointMoreThanFreeParameters) {
  points = select(points, std::vector<std::size_t>{0, 8, 27, 40, 62});
  EXPECT_THROW(fit_with({}), InputError);
  EXPECT_NEAR(fit_with(kFloor).parameters[0].value, 1.8172, 1e-14);
  points = select(points, std::vector<std::size_t>{0, 1, 2, 3});
  EXPECT_THROW(fit_with(kFloor), InputError);
}

TEST_F(FixedFloor, LeavesTheBestProjectedStartFirst) {
  const Law& chinchilla = find_law("chinchilla");
  const auto law = fix_parameters(chinchilla, kFloor);
  const Samples samples = chinchilla.rows(prepare(points), chinchilla.variables);
  Vector first = chinchilla.projected_starts(samples).at(0);
  first[0] = law->parameters[0].lower;
  EXPECT_EQ(law->projected_starts(samples).at(0), first);
}

TEST_F(FixedFloor, StaysInRollouts) {
  const auto law = fix_parameters(find_law("chinchilla"), kFloor);
  const Points prepared = prepare(points);
  const Cuts cuts = cut_points(prepared, growth_in_compute(prepared));
  ASSERT_FALSE(cuts.sizes.empty());
  const LawRollout rollout = roll_out({law.get(), law->variables}, prepared, cuts, 1e-3,
                                      law->coordinates(synthetic::to_vector(synthetic::kEpoch)));
  std::size_t stages = 0;
  for (const auto& stage : rollout.stages) {
    if (!stage) continue;
    ++stages;
    EXPECT_EQ(stage->theta[0], std::log(1.8172));
  }
  EXPECT_GT(stages, 2u);
}

TEST_F(FixedFloor, PredictsTheSameWhenReadAgain) {
  const Fit result = fit_with(kFloor);
  const std::string text = to_json(result);
  const Fit again = fit_from_json(text, "fit.json");
  EXPECT_EQ(to_json(again), text);
  EXPECT_EQ(again.fixed, result.fixed);
  EXPECT_EQ(to_json(predict(again, 1e11, 2e12)), to_json(predict(result, 1e11, 2e12)));
}

TEST_F(FixedFloor, AtItsOptimumChangesNothingElse) {
  const Fit free = fit_with({});
  const Fit held = fit_with({{"E", free.parameters[0].value}});
  for (std::size_t i = 0; i < free.parameters.size(); ++i)
    EXPECT_NEAR(held.parameters[i].value / free.parameters[i].value, 1, 1e-6);
}

TEST(Fixed, NamesWhatItCannotHold) {
  const auto error_of = [](const char* law, std::vector<NamedValue> fixed) -> std::string {
    try {
      fix_parameters(find_law(law), fixed);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of("kaplan-n", {{"aN", 0.076}}), "no error");
  EXPECT_NE(error_of("kaplan-n", {{"Nc", 8.8e13}}).find("is not fitted by itself"),
            std::string::npos);
  EXPECT_NE(error_of("chinchilla", {{"e", 1}}).find("did you mean 'E'"), std::string::npos);
  EXPECT_NE(error_of("chinchilla", {{"E", 1}, {"E", 2}}).find("fixed twice"), std::string::npos);
  EXPECT_NE(error_of("chinchilla", {{"E", -1}}).find("needs ln E from -14 to 5"),
            std::string::npos);
  EXPECT_NE(error_of("power", {{"A", 1}, {"alpha", 1}}).find("needed a free one"),
            std::string::npos);
  EXPECT_EQ(parse_fixed("alpha=0.35").value, 0.35);
  for (const char* bad : {"", "E", "E=", "=1", "E=x", "E=inf"})
    EXPECT_THROW(parse_fixed(bad), InputError) << bad;
  const Points points = synthetic::isoflop_grid(synthetic::kEpoch);
  EXPECT_THROW(fit(points, {.law = "ensemble", .fixed = kFloor}), InputError);
  EXPECT_THROW(fit(points, {.law = "chinchilla", .method = "approach2", .fixed = kFloor}),
               InputError);
}

}  // namespace
}  // namespace isoflop::laws
