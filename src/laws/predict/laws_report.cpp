#include <fmt/ranges.h>

#include "laws/law/law.hpp"
#include "laws/predict/report.hpp"

namespace isoflop::laws {
namespace {

std::string meaning_and_unit(const ParameterInfo& parameter) {
  std::string_view meaning = parameter.meaning;
  const std::string tail = fmt::format(", {}", parameter.unit);
  if (meaning.ends_with(tail)) meaning.remove_suffix(tail.size());
  return fmt::format("{} [{}]", meaning, parameter.unit);
}

std::string describe_law(const Law& law) {
  constexpr std::string_view kIndent = "    ";
  std::string text =
      fmt::format("{}\n{}{}\n{}{}\n", law.name, kIndent, law.formula, kIndent, law.source);
  std::vector<std::string> reads;
  for (const Variable variable : law.variables)
    reads.push_back(fmt::format("{} [{}]", to_string(variable), info(variable).unit));
  text +=
      fmt::format("{}reads {}{}; predicts {} [{}]; fitted on {}\n", kIndent, fmt::join(reads, ", "),
                  law.any_variable   ? " or another column"
                  : law.reads_curves ? " and the schedule"
                                     : "",
                  to_string(law.response), info(law.response).unit,
                  law.scale == Scale::log ? "its logarithm" : "its own scale");
  for (const ParameterInfo& parameter : law.parameters)
    text += fmt::format("{}  {:<6} {:<58} {} in [{:g}, {:g}]\n", kIndent, parameter.name,
                        meaning_and_unit(parameter), parameter.coordinate, parameter.lower,
                        parameter.upper);
  const std::size_t starts = law.starts(law.rows(prepare(law.example()), law.variables)).size();
  text += fmt::format("{}{} starts; needs {} points with {} different values of what it reads\n",
                      kIndent, starts, law.minimum_points(), law.distinct_values);
  return text;
}

}  // namespace

std::string describe_laws() {
  std::string text;
  for (const Law* law : all_laws()) text += describe_law(*law);
  return text +
         fmt::format(
             "{}\n"
             "    no law of its own: all of params and tokens that suit the points (where one "
             "of the two varies alone: all\n"
             "    of one variable), weighed by how each, fitted to less compute, predicts "
             "the rest\n",
             kEnsemble);
}

}  // namespace isoflop::laws
