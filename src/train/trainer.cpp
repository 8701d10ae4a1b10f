#include "train/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "model/transformer.hpp"
#include "optim/adamw.hpp"
#include "train/batches.hpp"
#include "train/part.hpp"

namespace isoflop::train {
namespace {

using profile::Region;
using profile::Scope;

template <class T>
class TypedTrainer final : public Trainer {
 public:
  TypedTrainer(const config::RunConfig& config, const data::TokenSource& source,
               comm::Communicator& communicator);

  StepResult step() override;
  double evaluate() override;
  double time_forward() override;
  const model::ParameterTable& table() const override { return model_.table(); }
  std::vector<OwnedState> owned_state() override { return part_.owned_state(); }
  void restore(std::int64_t step) override;

 private:
  void accumulate_gradients();
  void train_virtual_rank(std::size_t v);
  void follow_virtual_rank();
  double gather_sum(std::vector<double>& mine, const std::vector<std::size_t>& owner);
  double gradient_norm();
  void refuse_non_finite(double loss, double norm);

  std::size_t ranks() const { return static_cast<std::size_t>(communicator_.size()); }
  std::size_t rank() const { return static_cast<std::size_t>(communicator_.rank()); }

  const config::RunConfig& config_;
  comm::Communicator& communicator_;
  model::Transformer<T> model_;
  ModelPart<T> part_;
  Batches batches_;
  std::size_t micro_batches_;              // a virtual rank
  std::vector<double> losses_;             // [virtual rank x micro-batch]
  std::vector<std::size_t> loss_owner_;    // rank that holds each of them
  std::vector<double> validation_losses_;  // [validation micro-batch]
  std::vector<std::size_t> validation_owner_;
  std::vector<double> gathered_;
};

template <class T>
TypedTrainer<T>::TypedTrainer(const config::RunConfig& config, const data::TokenSource& source,
                              comm::Communicator& communicator)
    : config_(config),
      communicator_(communicator),
      model_(config.model, model::whole_model(config.model),
             {.batch = static_cast<std::size_t>(config.train.micro_batch)}, model::Mode::training,
             profile_),
      part_(config, model_.table(), communicator, profile_),
      batches_(source, static_cast<std::size_t>(config.train.micro_batch)) {
  const auto virtual_ranks = static_cast<std::size_t>(config.parallel.virtual_ranks);
  micro_batches_ = static_cast<std::size_t>(config.train.global_batch / config.train.micro_batch) /
                   virtual_ranks;
  losses_.resize(virtual_ranks * micro_batches_);
  validation_losses_.resize(batches_.validation_count());
  for (std::size_t v = 0; v < virtual_ranks; ++v)
    loss_owner_.insert(loss_owner_.end(), micro_batches_, part_.dealing().owner(v));
  for (std::size_t rank = 0; rank < ranks(); ++rank)
    validation_owner_.insert(validation_owner_.end(),
                             parallel::share(validation_losses_.size(), ranks(), rank).size(),
                             rank);
  gathered_.resize(ranks() * std::max(losses_.size(), validation_losses_.size()));
}

template <class T>
void TypedTrainer<T>::accumulate_gradients() {
  const parallel::Dealing& dealing = part_.dealing();
  for (std::size_t turn = 0; turn < dealing.turns(); ++turn) {
    part_.begin_turn(turn);
    if (const auto virtual_rank = dealing.virtual_rank(rank(), turn)) {
      train_virtual_rank(*virtual_rank);
    } else if (dealing.in_rounds) {
      follow_virtual_rank();
    }
  }
  part_.reduce_gradients();
}

template <class T>
void TypedTrainer<T>::train_virtual_rank(std::size_t v) {
  const auto micro_batch = static_cast<std::size_t>(config_.train.micro_batch);
  const auto first = static_cast<std::uint64_t>(step_ * config_.train.global_batch);
  for (std::size_t i = v * micro_batches_; i < (v + 1) * micro_batches_; ++i) {
    {
      const Scope scope(profile_, Region::data);
      batches_.load(first + i * micro_batch);
    }
    if (i + 1 == (v + 1) * micro_batches_) part_.begin_last_pass();
    losses_[i] = model_.train_batch(part_, batches_.tokens(), batches_.targets());
  }
  model_.close_gradient(part_.gradient(0));
  part_.complete(0);
}

// Other ranks train a virtual rank and this one has none: it gives them its shards.
template <class T>
void TypedTrainer<T>::follow_virtual_rank() {
  for (std::size_t i = 0; i < micro_batches_; ++i) {
    if (i + 1 == micro_batches_) part_.begin_last_pass();
    model_.follow_batch(part_, model::Mode::training);
  }
  part_.complete(0);
}

// Sums values that ranks hold here and there, in order of their index. Afterwards every rank has
// all of them.
template <class T>
double TypedTrainer<T>::gather_sum(std::vector<double>& values,
                                   const std::vector<std::size_t>& owner) {
  if (ranks() > 1) {
    const Scope scope(profile_, Region::wait);
    const std::span<double> all(gathered_.data(), ranks() * values.size());
    communicator_.all_gather<double>(values, all);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = all[owner[i] * values.size() + i];
  }
  double total = 0.0;
  for (const double value : values) total += value;
  return total;
}

// The 2-norm of the summed gradient.
template <class T>
double TypedTrainer<T>::gradient_norm() {
  double total = 0.0;
  for (const double sum : part_.sums_of_squares()) total += sum;
  return std::sqrt(total);
}

template <class T>
void TypedTrainer<T>::refuse_non_finite(double loss, double norm) {
  if (std::isfinite(loss) && std::isfinite(norm)) return;
  const auto& parameters = table().parameters();
  const std::size_t weight = part_.first_bad_weight();
  const std::size_t gradient = part_.first_bad_gradient();
  const std::string tensor = weight < parameters.size() ? "weight " + parameters[weight].name
                             : gradient < parameters.size()
                                 ? "gradient of " + parameters[gradient].name
                                 : "loss";
  throw CheckFailed(
      fmt::format("step {}: loss {} and gradient norm {}, first non-finite tensor: {}; lower "
                  "optimizer.learning_rate or set optimizer.clip_norm",
                  step_ + 1, loss, norm, tensor));
}

template <class T>
StepResult TypedTrainer<T>::step() {
  communicator_.at_step(step_ + 1);
  accumulate_gradients();
  const auto tokens = static_cast<double>(config_.tokens_per_step());
  const double loss = gather_sum(losses_, loss_owner_) / tokens;
  const double norm = gradient_norm() / tokens;
  refuse_non_finite(loss, norm);
  const double learning_rate =
      config_.optimizer.learning_rate *
      optim::schedule_factor(config_.schedule, (step_ + 1) * config_.tokens_per_step(),
                             config_.tokens());
  ++step_;
  part_.update(step_, learning_rate,
               optim::clip_factor(norm, config_.optimizer.clip_norm) / tokens);
  return {step_, loss, learning_rate, norm};
}

template <class T>
double TypedTrainer<T>::evaluate() {
  const std::size_t count = batches_.validation_count();
  const parallel::Extent mine = parallel::share(count, ranks(), rank());
  for (std::size_t i = 0; i < parallel::share(count, ranks(), 0).size(); ++i) {
    if (i >= mine.size()) {
      model_.follow_batch(part_, model::Mode::evaluation);
      continue;
    }
    batches_.load_validation(mine.begin + i);
    validation_losses_[mine.begin + i] =
        model_.evaluate_batch(part_, batches_.tokens(), batches_.targets());
  }
  return gather_sum(validation_losses_, validation_owner_) /
         static_cast<double>(batches_.validation_tokens());
}

template <class T>
double TypedTrainer<T>::time_forward() {
  batches_.load(0);
  model_.evaluate_batch(part_, batches_.tokens(),
                        batches_.targets());  // warms up caches and pages
  const auto begin = std::chrono::steady_clock::now();
  model_.evaluate_batch(part_, batches_.tokens(), batches_.targets());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  profile_.reset();
  return seconds;
}

template <class T>
void TypedTrainer<T>::restore(std::int64_t step) {
  step_ = step;
  part_.weights_from_master();
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
