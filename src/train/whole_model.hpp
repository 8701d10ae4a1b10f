// The passes of a rank that holds all layers, whole or its pieces of them, or with ZeRO 3 all in
// turn.
#pragma once

#include "config/run_config.hpp"
#include "model/transformer.hpp"
#include "profile/profile.hpp"
#include "train/batches.hpp"
#include "train/layout.hpp"
#include "train/part.hpp"
#include "train/passes.hpp"

namespace isoflop::train {

template <class T>
class WholeModel final : public Passes {
 public:
  /// `part` holds all parts of the table, `tensor` the ranks with the other pieces of the model,
  /// null if it is not cut. References must outlive the object.
  WholeModel(const config::RunConfig& config, const Layout& layout, ModelPart<T>& part,
             Batches& batches, profile::Profile& profile, comm::Communicator* tensor);

  void train(std::int64_t batch, std::span<double> losses) override;
  bool evaluate(std::span<double> losses, const std::function<bool()>& stop) override;
  std::size_t first_non_finite(std::int64_t batch) override;
  std::size_t first_non_finite_of_validation() override;
  std::string name_of_output(std::size_t place) const override {
    return model_.name_of_output(place);
  }
  void weights_changed() override {}
  double time_forward() override;

  static std::size_t memory_bytes(const config::RunConfig& config, const Layout& layout);

 private:
  template <class Look>
  bool validate(const std::function<bool()>& stop, Look&& look);
  void train_virtual_rank(std::int64_t batch, std::size_t virtual_rank, std::span<double> losses);
  void follow_virtual_rank();

  const config::RunConfig& config_;
  const Layout& layout_;
  ModelPart<T>& part_;
  Batches& batches_;
  profile::Profile& profile_;
  model::Transformer<T> model_;
};

}  // namespace isoflop::train
