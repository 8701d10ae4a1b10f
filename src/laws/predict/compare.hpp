// Which law to believe: laws beside each other by what their fits on less compute missed above it.
//
// Every law is refitted below each of the same compute cuts (rollout.hpp) and held against all
// points above. Its rollout error is the root of the mean over cuts of the mean squared miss in
// ln loss. In-sample errors always favour more parameters; these do not. Two laws are within
// noise of each other when drawing the held-out points anew (a paired bootstrap over points or
// groups) leaves the sign of their difference open.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "laws/fit/fit.hpp"

namespace isoflop::laws {

struct CompareOptions {
  std::vector<std::string> laws;  // empty: every law of the loss that the points suffice for
  double huber_delta = 1e-3;
  std::size_t bootstrap = 1000;
  std::uint64_t seed = 1;
  std::size_t drop_worst = 0;  // leave out this many of the highest losses
};

struct ComparedLaw {
  std::string law;
  std::string variable;  // of a one-variable law, else empty
  std::size_t parameters = 0;
  double in_sample = 0;              // residual rms of ln loss, corrected for the parameters
  double rollout = 0;                // rms miss; a miss counts at most 0.3, as does no forecast
  double bias = 0;                   // mean miss: above 0 predicts losses too high
  std::vector<double> rms_of_cut;    // one a cut of Comparison::cuts
  std::optional<double> p_better;    // share of draws in which it is at least as good as the best
  std::optional<bool> within_noise;  // of the best, at 5%; both empty without draws
};

struct Comparison {
  std::vector<double> cuts;           // largest fitted FLOP of each
  std::vector<std::size_t> held_out;  // points above each
  std::size_t points = 0;
  std::size_t worst_left_out = 0;  // of the highest losses, besides `points`
  std::vector<ComparedLaw> laws;   // best rollout first
  std::vector<LeftOut> left_out;   // laws, and why
};

/// The columns that one of the laws to compare reads: `needed` of all laws that were asked for,
/// which cannot do without, `wanted` where every law may take part. Throws InputError.
struct ComparedColumns {
  std::vector<Variable> needed;
  std::vector<Variable> wanted;
};
ComparedColumns columns_to_compare(const CompareOptions& options);

/// Throws InputError for unknown laws, for laws that do not predict the loss, and when no cut
/// leaves enough points below for one of the laws that were asked for.
Comparison compare(const Points& points, const CompareOptions& options);

std::string describe(const Comparison& comparison);
std::string to_json(const Comparison& comparison);

}  // namespace isoflop::laws
