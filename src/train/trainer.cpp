#include "train/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "kernels/api/optimizer.hpp"
#include "model/transformer.hpp"
#include "optim/adamw.hpp"
#include "parallel/zero/gradient_sum.hpp"
#include "train/batches.hpp"
#include "train/sharding.hpp"

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
  OwnedState owned_state() override { return {owned_, master_, first_moment_, second_moment_}; }
  void restore(std::int64_t step) override;

 private:
  void initialise_weights();
  void accumulate_gradients();
  double gather_sum(std::vector<double>& mine, const std::vector<std::size_t>& owner);
  double gradient_norm();
  void refuse_non_finite(double loss, double norm);
  void weights_from_master();

  std::size_t ranks() const { return static_cast<std::size_t>(communicator_.size()); }
  std::size_t rank() const { return static_cast<std::size_t>(communicator_.rank()); }
  bool sharded() const { return config_.parallel.zero == 1 && ranks() > 1; }

  const config::RunConfig& config_;
  comm::Communicator& communicator_;
  device::Stream stream_;
  model::Transformer<T> model_;
  parallel::Sharding sharding_;
  parallel::Extent owned_;
  std::vector<optim::Segment> segments_;
  parallel::GradientSum gradients_;
  device::Arena arena_;
  T* weights_;           // [padded size]
  float* master_;        // [owned]; the owned part of weights_ itself in fp32 runs
  float* first_moment_;  // [owned]
  float* second_moment_;
  Batches batches_;
  std::size_t micro_batches_;              // a virtual rank
  std::vector<double> losses_;             // [virtual rank x micro-batch]
  std::vector<std::size_t> loss_owner_;    // rank that holds each of them
  std::vector<double> validation_losses_;  // [validation micro-batch]
  std::vector<std::size_t> validation_owner_;
  std::vector<double> gathered_;
  std::vector<double> square_sums_;  // [blocks of the padded buffer]
};

template <class T>
std::size_t state_bytes(const parallel::Sharding& sharding, const parallel::Extent& owned) {
  const std::size_t moments = 2 * (owned.size() * sizeof(float) + device::kAlignment);
  const std::size_t master =
      keeps_master<T> ? owned.size() * sizeof(float) + device::kAlignment : 0;
  return sharding.padded_size() * sizeof(T) + device::kAlignment + master + moments;
}

// owner[i] of `total` things that are dealt to ranks in runs.
std::vector<std::size_t> owners(std::size_t total, std::size_t ranks, std::size_t each) {
  std::vector<std::size_t> owner(total * each);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const parallel::Extent extent = parallel::share(total, ranks, rank);
    std::fill(owner.begin() + static_cast<std::ptrdiff_t>(extent.begin * each),
              owner.begin() + static_cast<std::ptrdiff_t>(extent.end * each), rank);
  }
  return owner;
}

template <class T>
TypedTrainer<T>::TypedTrainer(const config::RunConfig& config, const data::TokenSource& source,
                              comm::Communicator& communicator)
    : config_(config),
      communicator_(communicator),
      model_(config.model, model::whole_model(config.model),
             {.batch = static_cast<std::size_t>(config.train.micro_batch)}, model::Mode::training,
             profile_),
      sharding_(shard_parameters(model_.table(), ranks())),
      owned_(owned_elements(config, model_.table(), sharding_, rank())),
      segments_(decay_segments(model_.table(), owned_)),
      gradients_(stream_, sharding_, static_cast<std::size_t>(config.parallel.virtual_ranks),
                 rank()),
      arena_(state_bytes<T>(sharding_, owned_)),
      weights_(arena_.take<T>(sharding_.padded_size())),
      first_moment_(arena_.take<float>(owned_.size())),
      second_moment_(arena_.take<float>(owned_.size())),
      batches_(source, static_cast<std::size_t>(config.train.micro_batch)) {
  const auto virtual_ranks = static_cast<std::size_t>(config.parallel.virtual_ranks);
  micro_batches_ = static_cast<std::size_t>(config.train.global_batch / config.train.micro_batch) /
                   virtual_ranks;
  losses_.resize(virtual_ranks * micro_batches_);
  loss_owner_ = owners(virtual_ranks, ranks(), micro_batches_);
  validation_losses_.resize(batches_.validation_count());
  validation_owner_ = owners(batches_.validation_count(), ranks(), 1);
  gathered_.resize(ranks() * std::max(losses_.size(), validation_losses_.size()));
  square_sums_.resize(sharding_.padded_size() / kernels::kSumBlock);
  if constexpr (keeps_master<T>) {
    master_ = arena_.take<float>(owned_.size());
  } else {
    master_ = weights_ + owned_.begin;
  }
  initialise_weights();
}

// The gradient buffer lends its room, so that bf16 runs need no second fp32 copy of all weights.
template <class T>
void TypedTrainer<T>::initialise_weights() {
  float* full = gradients_.result();
  kernels::fill(stream_, sharding_.padded_size(), 0.0f, full);
  std::uint32_t index = 0;
  for (const model::Parameter& parameter : model_.table().parameters()) {
    float* values = full + parameter.offset;
    if (parameter.role == model::Role::gain) {
      kernels::fill(stream_, parameter.count, 1.0f, values);
    } else if (parameter.role != model::Role::bias) {
      kernels::fill_normal(stream_, parameter.count, static_cast<std::uint64_t>(config_.train.seed),
                           Purpose::weights, index, 0,
                           model::initial_deviation(parameter, config_.model), values);
    }
    ++index;
  }
  kernels::convert(stream_, sharding_.padded_size(), full, weights_);
  if constexpr (keeps_master<T>) std::copy_n(full + owned_.begin, owned_.size(), master_);
  kernels::fill(stream_, owned_.size(), 0.0f, first_moment_);
  kernels::fill(stream_, owned_.size(), 0.0f, second_moment_);
}

template <class T>
void TypedTrainer<T>::accumulate_gradients() {
  const auto global_batch = static_cast<std::uint64_t>(config_.train.global_batch);
  const std::size_t per_virtual_rank =
      micro_batches_ * static_cast<std::size_t>(config_.train.micro_batch);
  for (std::size_t v = gradients_.mine().begin; v < gradients_.mine().end; ++v) {
    float* gradient = nullptr;
    {
      const Scope scope(profile_, Region::zero);
      gradient = gradients_.next();
    }
    for (std::size_t i = 0; i < micro_batches_; ++i) {
      {
        const Scope scope(profile_, Region::data);
        batches_.load(static_cast<std::uint64_t>(step_) * global_batch + v * per_virtual_rank +
                      i * static_cast<std::size_t>(config_.train.micro_batch));
      }
      losses_[v * micro_batches_ + i] =
          model_.train_batch(weights_, batches_.tokens(), batches_.targets(), gradient);
    }
    model_.close_gradient(gradient);
    const Scope scope(profile_, Region::reduce);
    gradients_.finish_one();
  }
  const Scope scope(profile_, Region::reduce);
  gradients_.reduce_scatter(communicator_);
  if (!sharded()) gradients_.all_gather(communicator_);
}

// Sums values that ranks hold here and there, in order of their index. Afterwards every rank has
// all of them.
template <class T>
double TypedTrainer<T>::gather_sum(std::vector<double>& values,
                                   const std::vector<std::size_t>& owner) {
  if (ranks() > 1) {
    const std::span<double> all(gathered_.data(), ranks() * values.size());
    communicator_.all_gather<double>(values, all);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = all[owner[i] * values.size() + i];
  }
  double total = 0.0;
  for (const double value : values) total += value;
  return total;
}

// The 2-norm of the summed gradient. Padding is zero.
template <class T>
double TypedTrainer<T>::gradient_norm() {
  const Scope scope(profile_, Region::optimizer);
  const parallel::Extent mine =
      sharded() ? sharding_.of(rank()) : parallel::Extent{0, sharding_.padded_size()};
  const std::size_t first = mine.begin / kernels::kSumBlock;
  kernels::block_sums_of_squares(stream_, mine.size(), gradients_.result() + mine.begin,
                                 square_sums_.data() + first);
  if (sharded()) {
    const std::span<double> all(square_sums_);
    communicator_.all_gather<double>(all.subspan(first, mine.size() / kernels::kSumBlock), all);
  }
  double total = 0.0;
  for (const double sum : square_sums_) total += sum;
  return std::sqrt(total);
}

template <class T>
void TypedTrainer<T>::refuse_non_finite(double loss, double norm) {
  if (std::isfinite(loss) && std::isfinite(norm)) return;
  const auto& parameters = model_.table().parameters();
  const auto first_bad = [&](const auto* values, std::size_t begin, std::size_t end) {
    std::size_t index = 0;
    for (; index < parameters.size(); ++index) {
      const std::size_t from = std::max(parameters[index].offset, begin);
      const std::size_t to = std::min(parameters[index].offset + parameters[index].count, end);
      for (std::size_t i = from; i < to; ++i) {
        if (!std::isfinite(static_cast<float>(values[i]))) return index;
      }
    }
    return index;
  };
  const parallel::Extent mine =
      sharded() ? sharding_.of(rank()) : parallel::Extent{0, sharding_.padded_size()};
  const std::size_t weight = first_bad(weights_, 0, sharding_.padded_size());
  std::size_t gradient = first_bad(gradients_.result(), mine.begin, mine.end);
  gradient = static_cast<std::size_t>(
      -communicator_.maximum(-static_cast<std::int64_t>(gradient)));  // first of any rank
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
  {
    const Scope scope(profile_, Region::optimizer);
    optim::adamw_step(stream_, config_.optimizer, segments_, owned_.begin, step_, learning_rate,
                      optim::clip_factor(norm, config_.optimizer.clip_norm) / tokens,
                      gradients_.result(), master_, first_moment_, second_moment_, weights_);
  }
  if (sharded()) {
    const Scope scope(profile_, Region::reduce);
    const parallel::Extent shard = sharding_.of(rank());
    communicator_.all_gather<T>({weights_ + shard.begin, shard.size()},
                                {weights_, sharding_.padded_size()});
  }
  return {step_, loss, learning_rate, norm};
}

template <class T>
double TypedTrainer<T>::evaluate() {
  const parallel::Extent mine = parallel::share(batches_.validation_count(), ranks(), rank());
  for (std::size_t batch = mine.begin; batch < mine.end; ++batch) {
    batches_.load_validation(batch);
    validation_losses_[batch] =
        model_.evaluate_batch(weights_, batches_.tokens(), batches_.targets());
  }
  return gather_sum(validation_losses_, validation_owner_) /
         static_cast<double>(batches_.validation_tokens());
}

template <class T>
double TypedTrainer<T>::time_forward() {
  batches_.load(0);
  model_.evaluate_batch(weights_, batches_.tokens(),
                        batches_.targets());  // warms up caches and pages
  const auto begin = std::chrono::steady_clock::now();
  model_.evaluate_batch(weights_, batches_.tokens(), batches_.targets());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  profile_.reset();
  return seconds;
}

template <class T>
void TypedTrainer<T>::restore(std::int64_t step) {
  step_ = step;
  weights_from_master();
}

template <class T>
void TypedTrainer<T>::weights_from_master() {
  if constexpr (keeps_master<T>)
    kernels::convert(stream_, owned_.size(), master_, weights_ + owned_.begin);
  if (!sharded()) return;
  const parallel::Extent shard = sharding_.of(rank());
  communicator_.all_gather<T>({weights_ + shard.begin, shard.size()},
                              {weights_, sharding_.padded_size()});
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
