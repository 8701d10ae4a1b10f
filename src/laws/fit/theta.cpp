#include "laws/fit/theta.hpp"

#include <algorithm>

namespace isoflop::laws {

Vector to_vector(const std::vector<double>& row) {
  Vector vector{};
  std::copy(row.begin(), row.end(), vector.begin());
  return vector;
}

std::vector<double> to_row(const Vector& vector, std::size_t size) {
  return {vector.begin(), vector.begin() + static_cast<long>(size)};
}

std::vector<Variable> variables_of(const Law& law, const std::string& variable) {
  return law.any_variable ? std::vector{variable_from(variable)} : law.variables;
}

bool reads(const Fit& fit, Variable variable) {
  return std::ranges::any_of(fit.members, [&](const Member& member) {
    return reads(variables_of(find_law(member.law), member.variable), variable);
  });
}

Vector theta_of(const Member& member) {
  if (!member.coordinates.empty()) return to_vector(member.coordinates);
  return find_law(member.law).coordinates(to_vector(member.values));
}

Stage stage_of(const Member& member) {
  Stage stage{theta_of(member), member.residual_rms, member.noise, {}};
  auto entry = member.information.begin();
  for (std::size_t row = 0; row < find_law(member.law).size(); ++row)
    for (std::size_t k = 0; k <= row; ++k) at(stage.information, row, k) = *entry++;
  return stage;
}

Vector theta_of(const Fit& fit) {
  if (!fit.members.empty() && !fit.members.front().coordinates.empty())
    return theta_of(fit.members.front());
  return find_law(fit.law).coordinates(to_vector(fit.values()));
}

std::vector<double> state_of(const Fit& fit) {
  if (fit.is_frontier()) return fit.values();
  return to_row(theta_of(fit), find_law(fit.law).size());
}

std::vector<std::vector<double>> drawn_states(const Fit& fit) {
  if (fit.is_frontier()) return fit.draws.rows;
  if (!fit.draws.coordinates.empty()) return fit.draws.coordinates;
  const Law& law = find_law(fit.law);
  std::vector<std::vector<double>> states;
  for (const auto& row : fit.draws.rows)
    states.push_back(to_row(law.coordinates(to_vector(row)), law.size()));
  return states;
}

}  // namespace isoflop::laws
