// The passes of a rank that holds stages of the model: runs its schedule. What stages pass on is in
// stage_messages.hpp, the output head in pipeline_head.hpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "model/transformer.hpp"
#include "profile/profile.hpp"
#include "train/batches.hpp"
#include "train/layout.hpp"
#include "train/part.hpp"
#include "train/pass_clock.hpp"
#include "train/passes.hpp"
#include "train/pipeline_head.hpp"
#include "train/stage_messages.hpp"

namespace isoflop::train {

template <class T>
class Pipeline final : public Passes {
 public:
  /// `parts` [chunk] hold the weights and gradients of the layout's stages, `tensor` the ranks with
  /// the other pieces of them, null if they are not cut. References must outlive the pipeline.
  Pipeline(const config::RunConfig& config, const Layout& layout, comm::Communicator& world,
           comm::Communicator* tensor, std::span<const std::unique_ptr<ModelPart<T>>> parts,
           Batches& batches, profile::Profile& profile);
  ~Pipeline() override;

  void train(std::int64_t batch, std::span<double> losses) override;
  bool evaluate(std::span<double> losses, const std::function<bool()>& stop) override;
  std::size_t first_non_finite(std::int64_t batch) override;
  std::size_t first_non_finite_of_validation() override;
  std::string name_of_output(std::size_t place) const override {
    return chunks_.front()->model.name_of_output(place);
  }
  /// Gives the rank with a tied head the weights of the token embedding.
  void weights_changed() override;
  double time_forward() override;
  std::vector<parallel::PassTimes> take_pass_seconds() override { return clock_.take_means(); }

  static std::size_t memory_bytes(const config::RunConfig& config, const Layout& layout);

 private:
  struct Chunk;

  enum class Data { training, validation };
  struct Work {
    Data data;
    std::uint64_t first;  // sequence of the global batch, or this replica's validation micro-batch
  };

  template <class Look>
  bool validate(const std::function<bool()>& stop, Look&& look);
  template <class Look>
  void only_forward(std::size_t micro_batches, Look&& look);
  void watch(bool watches);
  void begin(const Work& work);
  void forward(const parallel::Operation& operation);
  void backward(const parallel::Operation& operation, std::span<double> losses);
  void backward_weight(const parallel::Operation& operation);
  void release(const parallel::Operation& operation);
  void open_gradient(Chunk& chunk, std::size_t virtual_rank);
  void close_gradient(Chunk& chunk);

  model::MicroBatch load(const model::Stage& stage, std::size_t micro_batch);
  std::size_t validation_batch(std::size_t micro_batch) const;
  std::size_t sequences(std::size_t micro_batch) const;
  std::size_t stream_size(std::size_t micro_batch) const;  // elements
  bool ends_virtual_rank(std::size_t micro_batch) const;
  model::Weights<T> weights(const Chunk& chunk) const;
  model::Gradient gradient(const Chunk& chunk, std::size_t virtual_rank);
  void add_head(Chunk& chunk, const float* head);

  const config::RunConfig& config_;
  const Layout& layout_;
  Batches& batches_;
  profile::Profile& profile_;
  device::Stream stream_;
  PipelineHead<T> head_;
  device::Arena arena_;
  PassClock clock_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::unique_ptr<StageMessages<T>> messages_;
  Work work_{};                    // under way
  std::size_t loaded_ = SIZE_MAX;  // micro-batch in batches_
};

}  // namespace isoflop::train
