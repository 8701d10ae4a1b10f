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
#include "experiment/target_check.hpp"
#include "laws/fit/fit.hpp"
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

struct Collection {
  record::Results results;
  std::vector<std::string> without_record;  // labels of planned runs that have none
  std::vector<NamedFit> fits;
  std::vector<MissingFit> missing;
  std::optional<TargetCheck> target;
  std::string no_prediction;  // why no fit predicts the target, where none does
};

/// All of it. InputError when there is no record to read. Nothing is written before everything is
/// made; then the files of an earlier collection are replaced, and those that have no successor go.
Collection collect(const Manifest& manifest, const Plan& plan, const SweepDirectory& directory);

}  // namespace isoflop::experiment
