// Every law: derivatives against finite differences, values <-> coordinates, recovery of noise-free
// parameters.
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

/// Values near the published ones, for laws whose points are a grid in N, D, C and S.
std::vector<double> example_values(std::string_view law) {
  if (law == "chinchilla") return synthetic::kEpoch;
  if (law == "kaplan-n") return {8.8e13, 0.076};
  if (law == "kaplan-d") return {5.4e13, 0.095};
  if (law == "kaplan-c") return {3.1e8 * 8.64e19, 0.050};
  if (law == "kaplan-nd") return {6.4e13, 1.8e13, 0.076, 0.103};
  if (law == "kaplan-ns") return {6.5e13, 2.1e3, 0.077, 0.76};
  if (law == "power") return {30, 0.05};
  if (law == "power-offset") return {1.7, 1500, 0.16};
  return {};
}

Points grid_of(const Law& law, const std::vector<double>& values) {
  Points points;
  for (const double params : {1e6, 5e6, 2e7, 1e8, 7e8})
    for (const double tokens : {2e7, 1e8, 1e9, 6e9, 5e10}) {
      points.params.push_back(params);
      points.tokens.push_back(tokens);
      points.steps.push_back(tokens / 2e4);
      points.flops.push_back(6 * params * tokens);
      std::vector<double> x;
      for (const Variable variable : law.variables) x.push_back(column(points, variable).back());
      points.loss.push_back(synthetic::loss(law, values, x));
    }
  return points;
}

class EveryLaw : public ::testing::TestWithParam<const Law*> {};

TEST_P(EveryLaw, HasExampleValues) {
  ASSERT_EQ(example_values(GetParam()->name).size(), GetParam()->size());
}

TEST_P(EveryLaw, CoordinatesInvertValues) {
  const Law& law = *GetParam();
  const std::vector<double> values = example_values(law.name);
  const Vector back = law.values(law.coordinates(synthetic::to_vector(values)));
  for (std::size_t i = 0; i < law.size(); ++i) EXPECT_NEAR(back[i] / values[i], 1, 1e-12);
}

TEST_P(EveryLaw, DerivativesAgreeWithFiniteDifferences) {
  const Law& law = *GetParam();
  const Vector theta = law.coordinates(synthetic::to_vector(example_values(law.name)));
  const double x[] = {std::log(3e7), std::log(4e9)};
  Vector gradient{};
  Matrix hessian{};
  law.log_loss(x, theta.data(), gradient.data(), hessian.data());
  for (std::size_t i = 0; i < law.size(); ++i) {
    const double step = 1e-5 * (1 + std::fabs(theta[i]));
    Vector above = theta;
    Vector below = theta;
    above[i] += step;
    below[i] -= step;
    Vector gradient_above{};
    Vector gradient_below{};
    const double slope = (law.log_loss(x, above.data(), gradient_above.data(), nullptr) -
                          law.log_loss(x, below.data(), gradient_below.data(), nullptr)) /
                         (2 * step);
    EXPECT_NEAR(gradient[i], slope, 1e-6 * (1 + std::fabs(slope))) << law.parameters[i].name;
    for (std::size_t j = 0; j < law.size(); ++j) {
      const double second = (gradient_above[j] - gradient_below[j]) / (2 * step);
      EXPECT_NEAR(at(hessian, std::max(i, j), std::min(i, j)), second,
                  1e-5 * (1 + std::fabs(second)))
          << law.parameters[i].name << " " << law.parameters[j].name;
    }
  }
}

TEST_P(EveryLaw, RecoversNoiseFreeParameters) {
  const Law& law = *GetParam();
  const std::vector<double> values = example_values(law.name);
  const Fit result = fit(
      grid_of(law, values),
      {.law = std::string(law.name), .variable = law.any_variable ? "flops" : "", .bootstrap = 0});
  for (std::size_t i = 0; i < law.size(); ++i)
    EXPECT_NEAR(result.parameters[i].value / values[i], 1, 1e-6) << law.parameters[i].name;
  EXPECT_LT(result.residual_rms, 1e-9);
  EXPECT_TRUE(result.search.converged);
}

TEST_P(EveryLaw, RefusesTooFewPoints) {
  const Law& law = *GetParam();
  Points points = grid_of(law, example_values(law.name));
  const std::vector<std::size_t> two = {0, 6};
  try {
    fit(select(points, two), {.law = std::string(law.name)});
    FAIL() << "two points were enough";
  } catch (const InputError& error) {
    EXPECT_NE(
        std::string(error.what()).find(fmt::format("at least {} points", law.minimum_points())),
        std::string::npos)
        << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Laws, EveryLaw, ::testing::ValuesIn(all_laws().begin(), all_laws().end()),
                         [](const auto& law) {
                           std::string name(law.param->name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Laws, UnknownNameSuggestsTheNearest) {
  try {
    find_law("chinchila");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'chinchilla'"), std::string::npos);
  }
}

}  // namespace
}  // namespace isoflop::laws
