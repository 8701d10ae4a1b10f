// Every law, from its own example: derivatives against finite differences, values <-> coordinates,
// recovery of noise-free parameters. A new law is tested without a change here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "laws/fit_json.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {
namespace {

class EveryLaw : public ::testing::TestWithParam<const Law*> {
 protected:
  const Law& law() const { return *GetParam(); }
  Vector example() const { return example_values(law()); }
  FitOptions options() const {
    return {.law = std::string(law().name),
            .variable = law().any_variable ? std::string(to_string(law().variables.front())) : "",
            .bootstrap = 0};
  }
};

TEST_P(EveryLaw, SaysAllThatAFitNeeds) {
  EXPECT_FALSE(law().formula.empty());
  EXPECT_FALSE(law().source.empty());
  EXPECT_EQ(law().domain.size(), law().variables.size());
  EXPECT_LE(law().size(), kMaxParameters);
  for (const ParameterInfo& parameter : law().parameters) {
    EXPECT_FALSE(parameter.meaning.empty()) << parameter.name;
    EXPECT_FALSE(parameter.coordinate.empty()) << parameter.name;
  }
}

TEST_P(EveryLaw, ExampleLiesInsideTheBounds) {
  const Vector theta = law().coordinates(example());
  for (std::size_t i = 0; i < law().size(); ++i) {
    EXPECT_GT(theta[i], law().parameters[i].lower) << law().parameters[i].name;
    EXPECT_LT(theta[i], law().parameters[i].upper) << law().parameters[i].name;
  }
}

TEST_P(EveryLaw, CoordinatesInvertValues) {
  const Vector back = law().values(law().coordinates(example()));
  for (std::size_t i = 0; i < law().size(); ++i) EXPECT_NEAR(back[i] / example()[i], 1, 1e-12);
}

void expect_derivatives(const Law& law, const double* x, const Vector& theta) {
  Vector gradient{};
  Matrix hessian{};
  const double value = law.evaluate(x, theta.data(), gradient.data(), hessian.data());
  EXPECT_NEAR(law.evaluate(x, theta.data(), nullptr, nullptr), value, 1e-14 * std::fabs(value));
  for (std::size_t i = 0; i < law.size(); ++i) {
    const double step = 1e-5 * (1 + std::fabs(theta[i]));
    Vector above = theta;
    Vector below = theta;
    above[i] += step;
    below[i] -= step;
    Vector gradient_above{};
    Vector gradient_below{};
    const double slope = (law.evaluate(x, above.data(), gradient_above.data(), nullptr) -
                          law.evaluate(x, below.data(), gradient_below.data(), nullptr)) /
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

TEST_P(EveryLaw, DerivativesAgreeWithFiniteDifferences) {
  const Samples rows = law().rows(prepare(law().example()), law().variables);
  Vector theta = law().coordinates(example());
  for (const double shift : {0.0, 0.01}) {  // at the example and beside it
    for (std::size_t i = 0; i < law().size(); ++i) theta[i] *= 1 + shift;
    for (std::size_t k = 0; k < 8; ++k)
      expect_derivatives(law(), rows.row(k * (rows.size() - 1) / 7), theta);
  }
}

TEST_P(EveryLaw, RecoversNoiseFreeParameters) {
  const Fit result = fit(law().example(), options());
  for (std::size_t i = 0; i < law().size(); ++i)
    EXPECT_NEAR(result.parameters[i].value / example()[i], 1, 1e-6) << law().parameters[i].name;
  EXPECT_LT(result.residual_rms, 1e-9);
  EXPECT_TRUE(result.search.converged);
}

TEST_P(EveryLaw, RefusesTooFewPoints) {
  const Points points = law().example();
  const std::vector<std::size_t> two = {0, 6};
  try {
    fit(select(points, two), options());
    FAIL() << "two points were enough";
  } catch (const InputError& error) {
    EXPECT_NE(
        std::string(error.what()).find(fmt::format("at least {} points", law().minimum_points())),
        std::string::npos)
        << error.what();
  }
}

TEST_P(EveryLaw, NamesTheColumnThatIsMissing) {
  Points points = law().example();
  quantity(points, law().response).clear();
  try {
    fit(points, options());
    FAIL() << "a fit without its response";
  } catch (const InputError& error) {
    EXPECT_NE(
        std::string(error.what()).find(fmt::format("add a column '{}'", to_string(law().response))),
        std::string::npos)
        << error.what();
  }
}

TEST_P(EveryLaw, HasItsPage) {
  const std::filesystem::path page =
      std::filesystem::path(ISOFLOP_DOCS) / "laws" / fmt::format("{}.md", law().name);
  ASSERT_TRUE(std::filesystem::exists(page)) << page;
  const std::string text = read_file(page);
  const auto without_spaces = [](std::string words) {
    std::erase(words, ' ');
    return words;
  };
  const std::string_view equation = law().formula.substr(0, law().formula.find(", "));
  EXPECT_NE(without_spaces(text).find(without_spaces(std::string(equation))), std::string::npos)
      << equation;
  for (const char* heading : {"Good for", "When it lies"})
    EXPECT_NE(text.find(heading), std::string::npos) << heading;
}

/// The example with misses of 0.2%, and shares that stay shares.
Points uneven(const Law& law) {
  Points points = law.example();
  std::vector<double>& response = quantity(points, law.response);
  for (std::size_t i = 0; i < response.size(); ++i)
    response[i] *= 1 + 0.002 * (std::sin(static_cast<double>(7 * i)) - 1);
  return points;
}

TEST_P(EveryLaw, RowOrderChangesNoBit) {
  const Points points = uneven(law());
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < points.size(); ++i) rows.push_back(points.size() - 1 - i);
  FitOptions some = options();
  some.bootstrap = 2;
  EXPECT_EQ(to_json(fit(points, some)), to_json(fit(select(points, rows), some)));
}

TEST_P(EveryLaw, CopiesThatShareTheWeightChangeNoBit) {
  if (law().reads_curves) GTEST_SKIP() << "a curve has each step once";
  const Points points = uneven(law());
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < 2 * points.size(); ++i) rows.push_back(i / 2);
  Points copies = select(points, rows);
  copies.weight.assign(copies.size(), 0.5);
  FitOptions some = options();
  some.bootstrap = 2;
  const Fit once = fit(points, some);
  Fit both = fit(copies, some);
  EXPECT_EQ(both.left_out.size(), points.size());
  both.left_out = once.left_out;
  EXPECT_EQ(to_json(both), to_json(once));
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
