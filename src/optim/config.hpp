// The [optimizer] table of a run configuration: AdamW with decoupled decay and clipping by the
// global norm.
#pragma once

namespace isoflop::optim {

struct OptimizerConfig {
  double learning_rate = 1e-3;  // peak
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  double clip_norm = 1.0;  // of the mean gradient; 0: no clipping
};

}  // namespace isoflop::optim
