// Where a fit sits, in the coordinates of its law.
//
// Values that the user sees may overflow where the coordinates do not (Nc = exp(200 / 1e-4) at two
// bounds), so whatever computes with a fit starts from here, not from the values.
#pragma once

#include <string>
#include <vector>

#include "laws/fit/fit.hpp"
#include "laws/fit/rollout.hpp"
#include "laws/law/law.hpp"

namespace isoflop::laws {

Vector to_vector(const std::vector<double>& row);
std::vector<double> to_row(const Vector& vector, std::size_t size);

/// What the law reads; `variable`: of a one-variable law.
std::vector<Variable> variables_of(const Law& law, const std::string& variable);

/// Whether a law of the fit does.
bool reads(const Fit& fit, Variable variable);

Vector theta_of(const Member& member);
/// What the member was fitted as (rollout.hpp).
Stage stage_of(const Member& member);
/// Of `fit.law`; not for a frontier.
Vector theta_of(const Fit& fit);

/// What a bootstrap draw varies: coordinates of the fit's law, or the parameters of a frontier. Of
/// the fit itself and of each draw.
std::vector<double> state_of(const Fit& fit);
std::vector<std::vector<double>> drawn_states(const Fit& fit);

}  // namespace isoflop::laws
