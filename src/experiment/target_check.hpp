// The prediction of a sweep's target held against its measured loss, with what a picture of it
// needs beside it: all of prediction.json.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiment/plan.hpp"
#include "experiment/training_curve.hpp"
#include "laws/fit/fit.hpp"
#include "laws/predict/predict.hpp"
#include "record/results.hpp"

namespace isoflop::experiment {

struct FittedRun {
  std::string run;
  double loss = 0;
};

/// A law's losses at every pair of sizes and tokens, both evenly spaced in their logarithm.
struct LossSurface {
  std::vector<double> params;  // all parameters
  std::vector<double> tokens;
  std::vector<double> loss;  // [tokens][params]
};

struct TargetCheck {
  std::string fit;  // the name of the fit that predicts
  laws::Prediction prediction;
  double params = 0, tokens = 0, flops = 0;  // of the target: all parameters, D, 6ND
  std::optional<double> measured;            // nats/token, when it has finished
  std::vector<FittedRun> fitted;             // what the same fit says of the runs that it saw
  std::vector<LossAtTokens> curve;           // and of the target's size at other D
  LossSurface surface;  // and around all of them; empty of a law that does not count embeddings

  /// 100 (predicted - measured) / measured. Only when measured.
  double error_percent() const;
  /// Only when measured and the prediction has an interval.
  bool is_inside() const;
};

/// The prediction by the fit of that name; `measured` stays empty. Throws InputError for a fit that
/// gives no loss at any N and D.
TargetCheck check_target(const PlannedRun& target, const std::string& name, const laws::Fit& fit,
                         double level, const record::Results& results);

/// prediction.json, as docs/files.md has it.
std::string prediction_json(const TargetCheck& target);

}  // namespace isoflop::experiment
