// From finished runs to laws: gathers the runs' records into DIR/results.h5, fits what the manifest
// asks for into DIR/fit-<law>[-<method>].json, and holds the prediction of the target against its
// measured loss in DIR/prediction.json.
//
// Fits see finished runs of role "fit" only: the target is what they are tested with, and a trunk
// has never decayed. Records of killed runs are mended on the way, so that every reader can open
// them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiment/manifest.hpp"
#include "experiment/plan.hpp"
#include "experiment/sweep_directory.hpp"
#include "experiment/training_curve.hpp"
#include "laws/fit.hpp"
#include "laws/predict.hpp"
#include "record/results.hpp"

namespace isoflop::experiment {

struct NamedFit {
  std::string name;  // "kaplan-n", "chinchilla-approach3"
  laws::Fit fit;
};

/// A fit that could not be made, and why.
struct MissingFit {
  std::string name, reason;
};

struct FittedRun {
  std::string run;
  double loss = 0;
};

struct TargetCheck {
  std::string fit;  // the name of the fit that predicts
  laws::Prediction prediction;
  double params = 0, tokens = 0, flops = 0;  // of the target: all parameters, D, 6ND
  std::optional<double> measured;            // nats/token, when it has finished
  std::vector<FittedRun> fitted;             // what the same fit says of the runs that it saw
  std::vector<LossAtTokens> curve;           // and of the target's size at other D

  /// 100 (predicted - measured) / measured. Only when measured.
  double error_percent() const;
  /// Only when measured and the prediction has an interval.
  bool is_inside() const;
};

struct Collection {
  record::Results results;
  std::vector<std::string> without_record;  // labels of planned runs that have none
  std::vector<NamedFit> fits;
  std::vector<MissingFit> missing;
  std::optional<TargetCheck> target;
};

/// All of it. InputError when there is no record to read. Nothing is written before everything is
/// made; then the files of an earlier collection are replaced, and those that have no successor go.
Collection collect(const Manifest& manifest, const Plan& plan, const SweepDirectory& directory);

/// prediction.json, as docs/files.md has it.
std::string prediction_json(const TargetCheck& target);

}  // namespace isoflop::experiment
