// What one rank holds of a range of parts of the parameter table: weights, the sum of their
// gradients and the optimizer's state, whole or in shards (ZeRO), shared with the ranks that train
// the same parameters (replicas). Of a model that is cut across tensor-parallel ranks these are
// the pieces of the rank's own table.
//
// "Collective" is over the replicas, with reduce_gradients() over the tensor-parallel ranks too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "device/arena.hpp"
#include "device/stream.hpp"
#include "model/transformer.hpp"
#include "parallel/zero/gradient_sum.hpp"
#include "parallel/zero/weights.hpp"
#include "profile/profile.hpp"
#include "train/sharding.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {

/// Bytes on one rank.
struct PartMemory {
  std::size_t weights;
  std::size_t optimizer;
  std::size_t gradients;
  std::size_t copies;  // at most
};

template <class T>
class ModelPart final : public model::PartStore<T> {
 public:
  using Pass = typename model::PartStore<T>::Pass;

  /// Parts [begin, end) of the table, as which they are named; weights from the seed. `tensor`: the
  /// ranks with the other pieces. References must outlive the object. Collective.
  ModelPart(const config::RunConfig& config, const model::ParameterTable& table,
            const parallel::Extent& parts, comm::Communicator& replicas, comm::Communicator& tensor,
            profile::Profile& profile);

  // What passes ask for. Collective with ZeRO 3: the same calls in the same order on all replicas.
  const T* weights(std::size_t part, Pass pass) override;
  const T* head_weights() override;
  float* gradient(std::size_t part) override;
  void complete(std::size_t part) override;
  void after_product() override;

  /// Moves communication on; never blocks. Also while this rank waits in another call.
  void advance();

  const parallel::Dealing& dealing() const { return plan_.dealing; }

  /// The virtual rank of a turn begins, and the last backward pass of its micro-batches: what that
  /// completes is complete. Replicas with nothing to do in a turn of ZeRO 2 and 3 call both, ask
  /// for weights and complete parts in the order of those that have (Transformer::follow_batch).
  void begin_turn(std::size_t turn);
  void begin_last_pass() { last_pass_ = true; }

  /// After all turns: adds the replicas' gradients; afterwards each has the sum of what it updates.
  /// Collective.
  void reduce_gradients();

  /// Elements of the parts, in blocks of kernels::kSumBlock.
  std::size_t blocks() const;

  /// sums [blocks()] = sums of squares of the summed gradient per block; of what all
  /// tensor-parallel ranks hold zeros on all but the first. Collective.
  void sums_of_squares(std::span<double> sums);

  /// The first tensor of the table with a non-finite weight; the number of tensors if there is
  /// none. The last one with a non-finite gradient, which a backward pass computes first; -1 if
  /// there is none. Collective.
  std::size_t first_bad_weight();
  std::int64_t last_bad_gradient();

  /// One step of the optimizer; the gradient is multiplied by `scale` before. Collective.
  void update(std::int64_t step, double learning_rate, double scale);

  /// By part; elements of the table's buffer.
  std::vector<OwnedState> owned_state();

  /// After owned_state() was overwritten. Collective.
  void weights_from_master();

  static PartMemory memory(const config::RunConfig& config, const model::ParameterTable& table,
                           const parallel::Extent& parts, std::size_t replicas,
                           std::size_t replica);

 private:
  void initialise(std::size_t part);
  void add_replicated(std::size_t part);
  const parallel::Extent& replicated(std::size_t part) const {
    return table_.replicated(parts_.begin + part);
  }
  float* master(std::size_t part);
  float* summed_gradient(std::size_t part);

  const config::RunConfig& config_;
  const model::ParameterTable& table_;
  parallel::Extent parts_;  // of the table; within this object they are counted from 0
  comm::Communicator& replicas_;
  comm::Communicator& tensor_;
  profile::Profile& profile_;
  device::Stream stream_;
  parallel::GradientPlan plan_;
  std::vector<Owned> owned_;
  std::unique_ptr<parallel::GradientSum> gradients_;
  parallel::Weights<T> weights_;
  device::Arena arena_;
  float* first_moment_;      // [owned room]
  float* second_moment_;     // [owned room]
  float* master_ = nullptr;  // [owned room]; fp32 runs have it in weights_
  bool last_pass_ = false;
  std::vector<double> square_sums_;  // [ranks, blocks of a rank's shards]
};

}  // namespace isoflop::train
