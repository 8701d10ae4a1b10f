#include "train/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.hpp"
#include "kernels/api/optimizer.hpp"
#include "optim/adamw.hpp"
#include "optim/schedule.hpp"
#include "train/batches.hpp"
#include "train/layout.hpp"
#include "train/part.hpp"
#include "train/pipeline.hpp"
#include "train/split_state.hpp"
#include "train/stop_vote.hpp"
#include "train/whole_model.hpp"

namespace isoflop::train {
namespace {

using parallel::Axis;
using profile::Region;

// The sign of what is no number depends on the order of operations, and so on the layout.
double without_sign_of_nan(double value) {
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

template <class T>
class TypedTrainer final : public Trainer {
 public:
  TypedTrainer(const config::RunConfig& config, const data::TokenSource& source,
               comm::Communicator& world);
  ~TypedTrainer() override { world_.while_waiting(nullptr); }

  StepResult step() override;
  std::optional<double> evaluate(const std::function<bool()>& stop) override;
  double time_forward() override;
  std::vector<parallel::PassTimes> take_pass_seconds() override {
    return passes_->take_pass_seconds();
  }
  const model::ParameterTable& table() const override { return table_; }
  std::vector<OwnedState> owned_state() override;
  std::vector<OwnedState> saved_state() override;
  void restore(std::int64_t step) override;

 private:
  bool is_split() const { return layout_.split.ranks > 1; }
  std::vector<OwnedState> held_state();
  double gradient_norm();
  std::optional<Spike> judge(double loss, double norm);
  std::size_t first_bad_weight();
  std::string name_of_bad_output(std::size_t mine);
  std::string first_bad_result();
  std::size_t first_anywhere(std::size_t index);
  std::int64_t batch() const { return step_ + guard_.skipped_batches(); }  // of the data's order

  const config::RunConfig& config_;
  comm::Communicator& world_;
  Layout layout_;
  std::vector<comm::Communicator> replicas_;  // [chunk] the ranks with the same stages
  comm::Communicator line_;                   // the ranks with the other stages of this replica
  comm::Communicator tensor_;                 // the ranks that share this one's stages
  model::ParameterTable table_;
  std::vector<std::unique_ptr<ModelPart<T>>> parts_;  // [chunk]
  Batches batches_;
  std::unique_ptr<Passes> passes_;
  std::vector<double> losses_;             // [virtual rank x micro-batch]
  std::vector<double> validation_losses_;  // [validation micro-batch]
  OrderedSum loss_;
  OrderedSum validation_loss_;
  OrderedSum square_sums_;
  WholeRows whole_rows_;
};

// Each chunk's parts talk in an order of their own.
std::vector<comm::Communicator> make_replicas(const Layout& layout, comm::Communicator& world) {
  std::vector<comm::Communicator> replicas;
  for (std::size_t chunk = 0; chunk < layout.layers.size(); ++chunk)
    replicas.push_back(world.group("data", layout.mesh.color(layout.rank, Axis::data)));
  return replicas;
}

template <class T>
std::vector<std::unique_ptr<ModelPart<T>>> make_parts(const config::RunConfig& config,
                                                      const Layout& layout,
                                                      const model::ParameterTable& table,
                                                      std::vector<comm::Communicator>& replicas,
                                                      comm::Communicator& tensor,
                                                      profile::Profile& profile) {
  std::vector<std::unique_ptr<ModelPart<T>>> parts;
  for (std::size_t chunk = 0; chunk < layout.layers.size(); ++chunk)
    parts.push_back(std::make_unique<ModelPart<T>>(config, table, layout.layers[chunk],
                                                   replicas[chunk], tensor, profile));
  return parts;
}

template <class T>
TypedTrainer<T>::TypedTrainer(const config::RunConfig& config, const data::TokenSource& source,
                              comm::Communicator& world)
    : Trainer(config.guard),
      config_(config),
      world_(world),
      layout_(layout_of(config, world)),
      replicas_(make_replicas(layout_, world)),
      line_(world.group("pipeline", layout_.mesh.color(layout_.rank, Axis::pipeline))),
      tensor_(world.group("tensor", layout_.mesh.color(layout_.rank, Axis::tensor))),
      table_(config.model, layout_.split),
      parts_(make_parts<T>(config, layout_, table_, replicas_, tensor_, profile_)),
      batches_(source, static_cast<std::size_t>(config.train.micro_batch)),
      losses_(layout_.dealing.virtual_ranks * layout_.micro_batches_a_virtual_rank),
      validation_losses_(batches_.validation_count()),
      loss_(held_losses(layout_), world, profile_, Region::wait),
      validation_loss_(held_validation_losses(layout_, validation_losses_.size()), world, profile_,
                       Region::wait),
      square_sums_(held_square_sums(config, layout_, table_), line_, profile_, Region::pipeline) {
  comm::Communicator* tensor = is_split() ? &tensor_ : nullptr;
  if (layout_.mesh.pipeline > 1) {
    passes_ =
        std::make_unique<Pipeline<T>>(config, layout_, world, tensor, parts_, batches_, profile_);
  } else {
    passes_ = std::make_unique<WholeModel<T>>(config, layout_, *parts_.front(), batches_, profile_,
                                              tensor);
  }
  passes_->weights_changed();
  // A rank may wait for weights, or for another stage, while a replica of its own waits for the
  // next piece of its gradients, and so comes neither to the gather nor to what that stage waits
  // for.
  if (layout_.mesh.data > 1 && config.parallel.zero >= 2)
    world.while_waiting([this] {
      for (const auto& part : parts_) part->advance();
    });
}

// The 2-norm of the summed gradient. The first thing after a step's passes that stages need of each
// other: a stage that has done its last pass is idle here until the others have done theirs.
template <class T>
double TypedTrainer<T>::gradient_norm() {
  std::span<double> sums = square_sums_.mine();
  for (const auto& part : parts_) {
    part->sums_of_squares(sums.first(part->blocks()));
    sums = sums.subspan(part->blocks());
  }
  double squares = square_sums_.sum();
  if (is_split()) tensor_.all_reduce(std::span(&squares, 1), comm::Combine::sum);
  return std::sqrt(squares);
}

// The smallest of all ranks' numbers.
template <class T>
std::size_t TypedTrainer<T>::first_anywhere(std::size_t index) {
  return static_cast<std::size_t>(-world_.maximum(-static_cast<std::int64_t>(index)));
}

// A non-finite value is a spike for a guard that acts, unless the weights are damaged already.
template <class T>
std::optional<Spike> TypedTrainer<T>::judge(double loss, double norm) {
  const auto judged = [&](const std::string& tensor) {
    std::optional<Spike> spike = guard_.judge(step_ + 1, loss, norm);
    if (!spike) return spike;
    spike->tensor = tensor;
    spike->sequence = static_cast<std::uint64_t>(batch() * config_.train.global_batch);
    return spike;
  };
  if (std::isfinite(loss) && std::isfinite(norm)) return judged("");
  const std::size_t weight = first_bad_weight();
  const bool damaged = weight < table_.parameters().size();
  const std::string tensor =
      damaged ? "weight " + table_.parameters()[weight].name : first_bad_result();
  if (guard_.acts() && !damaged) return judged(tensor);
  throw CheckFailed(
      fmt::format("step {}: loss {} and gradient norm {}, first non-finite tensor: {}; lower "
                  "optimizer.learning_rate or set optimizer.clip_norm",
                  step_ + 1, loss, norm, tensor));
}

template <class T>
std::size_t TypedTrainer<T>::first_bad_weight() {
  std::size_t weight = table_.parameters().size();
  for (const auto& part : parts_) weight = std::min(weight, part->first_bad_weight());
  return first_anywhere(weight);
}

// Of this rank's place of the first; empty: all are numbers.
template <class T>
std::string TypedTrainer<T>::name_of_bad_output(std::size_t mine) {
  const std::size_t output = first_anywhere(mine);
  if (output == model::Transformer<T>::kAllFinite) return "";
  return "output of " + passes_->name_of_output(output);
}

// What of the step, in the order in which it is computed, is no number first.
template <class T>
std::string TypedTrainer<T>::first_bad_result() {
  std::string output = name_of_bad_output(passes_->first_non_finite(batch()));
  if (!output.empty()) return output;
  std::int64_t gradient = -1;
  for (const auto& part : parts_) gradient = std::max(gradient, part->last_bad_gradient());
  gradient = world_.maximum(gradient);  // squares of floats fit a double
  if (gradient < 0) return "none: it did not recur";
  return "gradient of " + table_.parameters().at(static_cast<std::size_t>(gradient)).name;
}

template <class T>
StepResult TypedTrainer<T>::step() {
  world_.at_step(step_ + 1);
  passes_->train(batch(), losses_);
  for (const auto& part : parts_) part->reduce_gradients();
  const auto tokens = static_cast<double>(config_.tokens_per_step());
  const double norm = without_sign_of_nan(gradient_norm() / tokens);
  loss_.take(losses_);
  const double loss = without_sign_of_nan(loss_.sum() / tokens);
  const std::optional<Spike> spike = judge(loss, norm);
  const double learning_rate =
      config_.optimizer.learning_rate *
      optim::schedule_factor(config_.schedule, (step_ + 1) * config_.tokens_per_step(),
                             config_.tokens());
  ++step_;
  if (spike && guard_.acts()) return {step_, loss, learning_rate, norm, spike};
  const double scale = optim::clip_factor(norm, config_.optimizer.clip_norm) / tokens;
  for (const auto& part : parts_) part->update(step_, learning_rate, scale);
  passes_->weights_changed();
  return {step_, loss, learning_rate, norm, spike};
}

template <class T>
std::optional<double> TypedTrainer<T>::evaluate(const std::function<bool()>& stop) {
  StopVote vote(world_, stop);
  if (!passes_->evaluate(validation_losses_, [&vote] { return vote.stops(); })) return std::nullopt;
  validation_loss_.take(validation_losses_);
  const double loss = without_sign_of_nan(validation_loss_.sum() /
                                          static_cast<double>(batches_.validation_tokens()));
  if (std::isfinite(loss)) return loss;
  const std::size_t weight = first_bad_weight();
  const std::string tensor = weight < table_.parameters().size()
                                 ? "weight " + table_.parameters()[weight].name
                                 : name_of_bad_output(passes_->first_non_finite_of_validation());
  throw CheckFailed(
      fmt::format("step {}: validation loss {}, first non-finite tensor: {}; lower "
                  "optimizer.learning_rate or set optimizer.clip_norm",
                  step_, loss, tensor.empty() ? "loss" : tensor));
}

template <class T>
double TypedTrainer<T>::time_forward() {
  const double seconds = passes_->time_forward();
  profile_.reset();
  return seconds;
}

template <class T>
std::vector<OwnedState> TypedTrainer<T>::held_state() {
  std::vector<OwnedState> state;
  for (const auto& part : parts_)
    for (const OwnedState& owned : part->owned_state()) state.push_back(owned);
  return state;
}

template <class T>
std::vector<OwnedState> TypedTrainer<T>::owned_state() {
  return is_split() ? in_whole_model(table_, held_state()) : held_state();
}

template <class T>
std::vector<OwnedState> TypedTrainer<T>::saved_state() {
  return is_split() ? whole_rows_.gather(table_, held_state(), tensor_) : held_state();
}

template <class T>
void TypedTrainer<T>::restore(std::int64_t step) {
  step_ = step;
  for (const auto& part : parts_) part->weights_from_master();
  passes_->weights_changed();
}

}  // namespace

std::unique_ptr<Trainer> make_trainer(const config::RunConfig& config,
                                      const data::TokenSource& source,
                                      comm::Communicator& communicator) {
  if (config.train.precision == config::Precision::bf16) {
    return std::make_unique<TypedTrainer<bf16>>(config, source, communicator);
  }
  return std::make_unique<TypedTrainer<float>>(config, source, communicator);
}

}  // namespace isoflop::train
