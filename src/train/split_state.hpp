// The state of a tensor-parallel rank in terms of the whole model, for checkpoints that know no
// layout.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"
#include "model/parameters.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {

/// `held`, slices of the rank's own buffer, as slices of the whole model's: one for each run of
/// elements that are neighbours there too, so a row at a time of matrices whose columns are cut.
std::vector<OwnedState> in_whole_model(const model::ParameterTable& table,
                                       const std::vector<OwnedState>& held);

/// The same for writing: matrices whose columns are cut are put together, and each rank gets a
/// share of whole rows. A checkpoint so has few long slices, whatever the number of ranks.
class WholeRows {
 public:
  /// Copies those rows; all else stays where it is. Valid until the next call. Collective over
  /// `tensor`, whose ranks hold the same elements of their buffers.
  std::vector<OwnedState> gather(const model::ParameterTable& table,
                                 const std::vector<OwnedState>& held, comm::Communicator& tensor);

  /// Bytes that it then holds; only `elements` of `held` are looked at.
  static std::size_t memory_bytes(const model::ParameterTable& table,
                                  const std::vector<OwnedState>& held);

 private:
  std::vector<float> rows_;     // what slices point to
  std::vector<float> arrived_;  // [ranks, rows, run] of one matrix
};

}  // namespace isoflop::train
