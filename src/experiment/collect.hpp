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

struct TargetCheck {
  std::string fit;  // the name of the fit that predicts
  laws::Prediction prediction;
  double params = 0, tokens = 0, flops = 0;  // of the target: all parameters, D, 6ND
  std::optional<double> measured;            // nats/token, when it has finished

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

/// Reads every record and writes results.h5. InputError when there is none to read.
record::Results collect_results(const Plan& plan, const SweepDirectory& directory,
                                std::vector<std::string>& without_record);

/// All of it. What an earlier collection wrote goes first: a fit that fails now leaves no file.
Collection collect(const Manifest& manifest, const Plan& plan, const SweepDirectory& directory);

/// prediction.json, as docs/files.md has it.
std::string prediction_json(const TargetCheck& target);

}  // namespace isoflop::experiment
