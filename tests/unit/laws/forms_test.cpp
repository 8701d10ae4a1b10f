// Every law, from its own example: derivatives against finite differences, values <-> coordinates,
// recovery of noise-free parameters. A new law is tested without a change here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <ostream>
#include <set>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "laws/json/fit_json.hpp"
#include "synthetic.hpp"

namespace isoflop::laws {

/// What a failed test says of its law.
// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest calls it by this name
inline void PrintTo(const Law* law, std::ostream* out) { *out << law->name; }

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
    EXPECT_FALSE(parameter.unit.empty()) << parameter.name;
    EXPECT_FALSE(parameter.meaning.empty()) << parameter.name;
    EXPECT_FALSE(parameter.coordinate.empty()) << parameter.name;
  }
}

TEST_P(EveryLaw, ExponentsArePureNumbersAndScalesHaveUnits) {
  for (const ParameterInfo& parameter : law().parameters) {
    const bool is_exponent = parameter.meaning.starts_with("exponent of");
    EXPECT_TRUE(!is_exponent || parameter.unit == "-") << parameter.name;
    for (const std::string_view unit : {"nats/token", "bits/byte", "token/nat"}) {
      const bool is_named = parameter.meaning.find(unit) != std::string_view::npos;
      EXPECT_TRUE(!is_named || parameter.unit == unit) << parameter.name;
    }
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
  FitOptions some = options();
  some.bootstrap = 2;
  EXPECT_EQ(to_json(fit(points, some)), to_json(fit(synthetic::reversed(points), some)));
}

TEST_P(EveryLaw, CopiesThatShareTheWeightChangeNoBit) {
  if (law().reads_curves) GTEST_SKIP() << "a curve has each step once";
  const Points points = uneven(law());
  FitOptions some = options();
  some.bootstrap = 2;
  const Fit once = fit(points, some);
  Fit both = fit(synthetic::halves(points), some);
  EXPECT_EQ(both.left_out.size(), points.size());
  both.left_out = once.left_out;
  EXPECT_EQ(to_json(both), to_json(once));
}

/// Columns in one unit, and the parameters that are counted in it or are coefficients of it.
struct Unit {
  std::vector<Variable> columns;
  std::set<std::string_view> parameters;
  double size = 1000;  // of the other unit
};

/// Of every law but those whose parameters have no unit of their own in some column: of farseer
/// tokens, whose exponent differs from size to size.
const std::map<std::string_view, std::vector<Unit>>& units() {
  using enum Variable;
  static const std::map<std::string_view, std::vector<Unit>> table = {
      {"power", {{{flops}, {"A"}}}},
      {"power-offset", {{{flops}, {"A"}}}},
      {"kaplan-n", {{{params}, {"Nc"}}}},
      {"kaplan-d", {{{tokens}, {"Dc"}}}},
      {"kaplan-c", {{{flops}, {"Cc"}}}},
      {"kaplan-nd", {{{params}, {"Nc"}}, {{tokens}, {"Dc"}}}},
      {"kaplan-ns", {{{params}, {"Nc"}}, {{steps}, {"Sc"}}}},
      {"chinchilla", {{{params}, {"A"}}, {{tokens}, {"B"}}}},
      {"over-training", {{{params}, {"a"}}, {{tokens}, {"b"}}}},
      {"farseer", {{{params}, {"a1", "a2", "a3"}}}},
      {"repeated-data", {{{params}, {"A"}}, {{tokens, unique_tokens}, {"B"}}}},
      {"broken-power-1", {{{flops}, {"b", "d1"}}}},
      {"broken-power-2", {{{flops}, {"b", "d1", "d2"}}}},
      {"broken-power-3", {{{flops}, {"b", "d1", "d2", "d3"}}}},
      {"multi-power", {{{steps}, {"A", "C"}}, {{learning_rate}, {"A", "B", "C"}}}},
      {"accuracy-sigmoid", {{{task_loss}, {"k", "L0"}, std::log(2.0)}}},
      {"error-exponential", {{{loss}, {"gamma"}, std::log(2.0)}}},
      {"task-ladder", {{{params}, {"A"}}, {{tokens}, {"B"}}}},
      {"step-lr", {{{params}, {"c"}}, {{tokens}, {"c"}}}},
      {"step-batch", {{{tokens}, {"c"}}}},
      {"deepseek-lr", {{{flops}, {"c"}}}},
      {"deepseek-batch", {{{flops}, {"c"}}}},
  };
  return table;
}

TEST_P(EveryLaw, AnotherUnitChangesTheCoefficientsAlone) {
  const auto entry = units().find(law().name);
  if (entry == units().end()) GTEST_SKIP() << "units() does not know the law";
  for (const Unit& unit : entry->second) {
    Points points = law().example();
    for (const Variable column : unit.columns)
      for (double& value : quantity(points, column)) value /= unit.size;
    const Fit rescaled = fit(points, options());
    EXPECT_LT(rescaled.residual_rms, 1e-9);  // the law says the same
    for (std::size_t i = 0; i < law().size(); ++i) {
      const std::string_view name = law().parameters[i].name;
      const double change = std::fabs(rescaled.parameters[i].value / example()[i] - 1);
      if (unit.parameters.contains(name))
        EXPECT_GT(change, 0.01) << to_string(unit.columns[0]) << " " << name;
      else
        EXPECT_LT(change, 1e-6) << to_string(unit.columns[0]) << " " << name;
    }
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
    EXPECT_EQ(std::string(error.what()).find(kEnsemble), std::string::npos) << "it is no law";
  }
}

}  // namespace
}  // namespace isoflop::laws
