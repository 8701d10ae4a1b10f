// The evaluations of a run: makes them, and knows from the record which are made.
#pragma once

#include <optional>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "core/stop_signal.hpp"
#include "data/token_source.hpp"
#include "record/run_record.hpp"
#include "train/progress.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {

/// Of a loss in nats/token.
double bits_per_byte(double loss, const data::TokenSource& source);

class Evaluations {
 public:
  /// `record`: on the root alone, else null. References must outlive the object.
  Evaluations(const config::RunConfig& config, const data::TokenSource& source, Trainer& trainer,
              record::RunRecord* record, Progress& progress, const StopSignal& stop,
              comm::Communicator& communicator);

  /// Whether the configuration asks for one after the present step, the last apart.
  bool is_due() const;

  /// Validation loss (nats/token) after the present step, made and recorded unless that is done.
  /// Nothing, on all ranks, if a signal to one of them cuts it short. Collective.
  std::optional<double> loss();

 private:
  std::optional<double> recorded();
  std::optional<double> make();

  const config::RunConfig& config_;
  const data::TokenSource& source_;
  Trainer& trainer_;
  record::RunRecord* record_;
  Progress& progress_;
  const StopSignal& stop_;
  comm::Communicator& communicator_;
};

}  // namespace isoflop::train
