#include "laws/json/fit_json_members.hpp"

#include <fmt/ranges.h>

#include <cmath>

#include "core/error.hpp"
#include "laws/fit/frontier.hpp"
#include "laws/fit/theta.hpp"
#include "laws/law/law.hpp"

namespace isoflop::laws {
namespace {

/// The triangle of a Cholesky factor, or nulls: the points left the parameters open.
std::vector<double> read_information(const JsonReader& reader, const Law& law) {
  const std::vector<double> information = read_numbers(reader, "information", true);
  const std::size_t size = law.size() * (law.size() + 1) / 2;
  const std::string place = reader.place_of("information");
  require(information.size() == size, "{}: saw {} numbers, law {} needs {}", place,
          information.size(), law.name, size);
  std::size_t diagonal = 0;
  for (std::size_t row = 0; row < law.size(); diagonal += ++row + 1)
    require(!(information[diagonal] <= 0), "{}: saw {} on the diagonal, needed numbers above 0",
            place, information[diagonal]);
  return information;
}

/// What the law computes with must be what the file shows.
void require_agreement(const Member& member, const Law& law, const std::string& place) {
  constexpr double kRounding = 1e-6;
  if (member.coordinates.empty()) return;
  const Vector values = law.values(to_vector(member.coordinates));
  for (std::size_t i = 0; i < law.size(); ++i) {
    const double shown = member.values[i];
    require(!std::isfinite(shown) || !std::isfinite(values[i]) ||
                std::fabs(shown - values[i]) <= kRounding * (std::fabs(values[i]) + kRounding),
            "{}: values: saw {} = {:g}, but its coordinates say {:g}: change both or neither",
            place, law.parameters[i].name, shown, values[i]);
  }
}

Member read_member(const JsonReader& reader) {
  Member member;
  member.law = reader.text("law");
  const Law& law = find_law(member.law);
  member.variable = reader.text("variable");
  if (law.any_variable) variable_from(member.variable);
  member.weight = reader.number("weight");
  require(std::isfinite(member.weight) && member.weight >= 0, "{}: saw {}, needed 0 or above",
          reader.place_of("weight"), member.weight);
  member.rollout_error = reader.number("rollout_error");
  member.residual_rms = reader.not_negative("residual_rms");
  member.noise = reader.not_negative("noise");
  if (reader.has("coordinates")) member.coordinates = read_numbers(reader, "coordinates");
  member.values = read_numbers(reader, "values", !member.coordinates.empty());
  member.information = read_information(reader, law);
  require(member.values.size() == law.size() &&
              (member.coordinates.empty() || member.coordinates.size() == law.size()),
          "{}: law {} needs {} values and as many coordinates", reader.place_of("values"), law.name,
          law.size());
  require_agreement(member, law, reader.place());
  return member;
}

void read_list(const JsonReader& reader, Fit& fit) {
  const std::string place = reader.place_of("members");
  double weight = 0;
  for (const Json& entry : reader.array("members")) {
    fit.members.push_back(read_member(JsonReader(entry, place)));
    weight += fit.members.back().weight;
  }
  require(!fit.members.empty(), "{}: needed one law at least", place);
  if (fit.is_frontier()) return;
  require(weight > 0, "{}: weight: saw 0 in all of them, needed one above 0", place);
  const Member& first = fit.members.front();
  require(first.law == fit.law, "{}: saw law {} first, needed that of the fit, {}", place,
          first.law, fit.law);
  for (std::size_t i = 0; i < first.values.size() && i < fit.parameters.size(); ++i) {
    const double shown = fit.parameters[i].value;
    require(first.values[i] == shown || (std::isnan(first.values[i]) && std::isnan(shown)),
            "{}: values: saw {} = {:g}, but parameters has {:g}: change both or neither", place,
            fit.parameters[i].name, first.values[i], shown);
  }
}

/// The loss law of a frontier, of which `parameters` shows E, K and gamma.
void require_frontier(const Fit& fit, const std::string& name) {
  constexpr double kRounding = 1e-6;
  const Member& member = fit.members.front();
  const bool floor = fit.parameters[kFloor].value > 0;
  const std::string_view needed = floor ? "power-offset" : "power";
  require(member.law == needed, "{}: members: law: saw {}, needed {} where E is {:g}", name,
          member.law, needed, fit.parameters[kFloor].value);
  for (std::size_t i = 0; i < member.values.size(); ++i) {
    const Estimate& shown = fit.parameters[kFrontierParameters - member.values.size() + i];
    require(std::fabs(member.values[i] - shown.value) <= kRounding * std::fabs(shown.value),
            "{}: members: values: saw {} = {:g}, but parameters has {:g}: change both or neither",
            name, shown.name, member.values[i], shown.value);
  }
}

void require_names(const Fit& fit, const std::string& name) {
  const std::vector<std::string> needed = parameter_names(fit);
  std::vector<std::string> seen;
  for (const Estimate& parameter : fit.parameters) seen.push_back(parameter.name);
  require(seen == needed, "{}: parameters: saw {}; law {} needs {}", name, fmt::join(seen, ", "),
          fit.law, fmt::join(needed, ", "));
}

void require_parameters(const Fit& fit, const std::string& name) {
  const bool may_overflow = !fit.is_frontier() && !fit.members.front().coordinates.empty();
  for (const Estimate& parameter : fit.parameters)
    require(may_overflow || std::isfinite(parameter.value),
            "{}: parameters: {}: value: needed a finite number", name, parameter.name);
  if (fit.is_frontier()) require_frontier(fit, name);
}

}  // namespace

std::vector<std::string> parameter_names(const Fit& fit) {
  if (fit.is_frontier()) return {"G", "a", "H", "b", "E", "K", "gamma"};
  std::vector<std::string> names;
  for (const ParameterInfo& parameter : find_law(fit.law).parameters)
    names.emplace_back(parameter.name);
  return names;
}

void read_members(const JsonReader& fit_json, Fit& fit) {
  require_names(fit, fit_json.place());
  read_list(fit_json, fit);
  require_parameters(fit, fit_json.place());
}

}  // namespace isoflop::laws
