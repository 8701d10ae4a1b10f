#include "train/part.hpp"

#include <algorithm>
#include <cmath>

#include "core/integers.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::train {
namespace {

using profile::Region;
using profile::Scope;

template <class T>
std::size_t state_bytes(const std::vector<Owned>& owned) {
  device::Arena counting;
  for (int i = 0; i < (keeps_master<T> ? 3 : 2); ++i) counting.take<float>(owned_room(owned));
  return counting.used();
}

// From the first to the last tensor with a value that is no number; empty if there is none.
// `values` are those of `elements` of the flat buffer.
template <class Value>
parallel::Extent bad_tensors(const model::ParameterTable& table, const parallel::Extent& elements,
                             const Value* values) {
  parallel::Extent bad{0, 0};
  const auto& parameters = table.parameters();
  for (std::size_t tensor = 0; tensor < parameters.size(); ++tensor) {
    const std::size_t begin = std::max(parameters[tensor].offset, elements.begin);
    const std::size_t end =
        std::min(parameters[tensor].offset + parameters[tensor].count, elements.end);
    if (begin >= end ||
        std::all_of(values + (begin - elements.begin), values + (end - elements.begin),
                    [](Value value) { return std::isfinite(static_cast<float>(value)); }))
      continue;
    if (bad.size() == 0) bad.begin = tensor;
    bad.end = tensor + 1;
  }
  return bad;
}

}  // namespace

template <class T>
PartMemory ModelPart<T>::memory(const config::RunConfig& config, const model::ParameterTable& table,
                                const parallel::Extent& parts, std::size_t replicas,
                                std::size_t replica) {
  const parallel::GradientPlan plan = plan_gradients(config, table, parts, replicas, replica);
  return {
      .weights = parallel::Weights<T>::memory_bytes(plan.sharding, kept_weights(config)),
      .optimizer = state_bytes<T>(owned_parts(config, table, plan.sharding, replica)),
      .gradients = parallel::gradient_sum_bytes(plan) +
                   plan.sharding.padded_size() / kernels::kSumBlock * sizeof(double),
      .copies = parallel::library_copies_bytes(plan),
  };
}

template <class T>
ModelPart<T>::ModelPart(const config::RunConfig& config, const model::ParameterTable& table,
                        const parallel::Extent& parts, comm::Communicator& replicas,
                        comm::Communicator& tensor, profile::Profile& profile)
    : config_(config),
      table_(table),
      parts_(parts),
      replicas_(replicas),
      tensor_(tensor),
      profile_(profile),
      plan_(plan_gradients(config, table, parts, static_cast<std::size_t>(replicas.size()),
                           static_cast<std::size_t>(replicas.rank()))),
      owned_(owned_parts(config, table, plan_.sharding, plan_.rank)),
      gradients_(parallel::make_gradient_sum(plan_, replicas, profile)),
      weights_(plan_.sharding, plan_.rank, kept_weights(config), replicas, profile),
      arena_(state_bytes<T>(owned_)),
      first_moment_(arena_.take<float>(owned_room(owned_))),
      second_moment_(arena_.take<float>(owned_room(owned_))),
      square_sums_(plan_.sharding.padded_size() / kernels::kSumBlock) {
  if constexpr (keeps_master<T>) master_ = arena_.take<float>(owned_room(owned_));
  kernels::fill(stream_, owned_room(owned_), 0.0f, first_moment_);
  kernels::fill(stream_, owned_room(owned_), 0.0f, second_moment_);
  for (std::size_t part = 0; part < owned_.size(); ++part) initialise(part);
  weights_from_master();
}

template <class T>
float* ModelPart<T>::master(std::size_t part) {
  if constexpr (keeps_master<T>) {
    return master_ + owned_[part].begin;
  } else {
    return weights_.own(part);
  }
}

// Every rank makes what it owns; the numbers know no ranks.
template <class T>
void ModelPart<T>::initialise(std::size_t part) {
  const parallel::Extent& elements = owned_[part].elements;
  kernels::fill(stream_, owned_[part].room, 0.0f, master(part));
  const auto& parameters = table_.parameters();
  for (std::uint32_t index = 0; index < parameters.size(); ++index) {
    const model::Parameter& parameter = parameters[index];
    parameter.for_each_run(elements, [&](std::size_t at, std::size_t whole, std::size_t count) {
      float* values = master(part) + (at - elements.begin);
      if (parameter.role == model::Role::gain) {
        kernels::fill(stream_, count, 1.0f, values);
      } else if (parameter.role != model::Role::bias) {
        kernels::fill_normal(stream_, count, static_cast<std::uint64_t>(config_.train.seed),
                             Purpose::weights, index, whole,
                             model::initial_deviation(parameter, config_.model), values);
      }
    });
  }
}

template <class T>
void ModelPart<T>::weights_from_master() {
  for (std::size_t part = 0; part < owned_.size(); ++part) {
    if constexpr (keeps_master<T>)
      kernels::convert(stream_, owned_[part].room, master(part), weights_.own(part));
    weights_.updated(part);
  }
}

template <class T>
const T* ModelPart<T>::weights(std::size_t table_part, Pass pass) {
  const std::size_t part = table_part - parts_.begin;
  const Scope scope(profile_, Region::wait);
  weights_.prefetch(
      part, pass == Pass::forward ? parallel::Direction::forward : parallel::Direction::backward);
  advance();
  return weights_.full(part);
}

template <class T>
const T* ModelPart<T>::head_weights() {
  return weights_.full(table_.head_part() - parts_.begin);
}

template <class T>
void ModelPart<T>::advance() {
  weights_.advance();
  gradients_->advance();
}

// What moves is moved by this thread.
template <class T>
void ModelPart<T>::after_product() {
  const Scope scope(profile_, Region::wait);
  advance();
}

template <class T>
float* ModelPart<T>::gradient(std::size_t part) {
  after_product();
  return gradients_->gradient(part - parts_.begin);
}

template <class T>
void ModelPart<T>::complete(std::size_t part) {
  after_product();
  if (last_pass_) gradients_->complete(part - parts_.begin);
}

template <class T>
void ModelPart<T>::begin_turn(std::size_t turn) {
  last_pass_ = false;
  gradients_->begin(turn);
}

template <class T>
void ModelPart<T>::reduce_gradients() {
  gradients_->finish();
  for (std::size_t part = 0; part < owned_.size(); ++part) add_replicated(part);
  if (config_.parallel.zero == 0) gradients_->all_gather();
}

// Tensor-parallel ranks have the gradients of their own rows of what they hold alike.
template <class T>
void ModelPart<T>::add_replicated(std::size_t part) {
  const parallel::Extent mine = plan_.sharding.owned(part, plan_.rank);
  const std::size_t begin = std::max(mine.begin, replicated(part).begin);
  const std::size_t end = std::min(mine.end, replicated(part).end);
  if (begin >= end) return;
  const Scope scope(profile_, Region::wait);
  tensor_.all_reduce(std::span(gradients_->shard(part) + (begin - mine.begin), end - begin),
                     comm::Combine::sum);
}

template <class T>
float* ModelPart<T>::summed_gradient(std::size_t part) {
  return config_.parallel.zero == 0 ? gradients_->full(part) : gradients_->shard(part);
}

template <class T>
std::size_t ModelPart<T>::blocks() const {
  const parallel::PartSharding& s = plan_.sharding;
  return ceil_div(s.part(s.parts() - 1).end - s.part(0).begin, kernels::kSumBlock);
}

// All extents begin with a block; the last block of the buffer may have fewer elements.
template <class T>
void ModelPart<T>::sums_of_squares(std::span<double> sums) {
  const parallel::PartSharding& s = plan_.sharding;
  const std::size_t first = s.part(0).begin;
  const auto blocks_of = [](std::span<double> all, const parallel::Extent& elements) {
    return all.subspan(elements.begin / kernels::kSumBlock,
                       ceil_div(elements.size(), kernels::kSumBlock));
  };
  const std::size_t each = square_sums_.size() / s.ranks();
  const std::span<double> mine = std::span(square_sums_).subspan(plan_.rank * each, each);
  for (std::size_t part = 0; part < s.parts(); ++part)
    kernels::block_sums_of_squares(stream_, s.shard(part), gradients_->shard(part),
                                   mine.data() + s.local_begin(part) / kernels::kSumBlock);
  replicas_.all_gather<double>(mine, square_sums_);
  for (std::size_t part = 0; part < s.parts(); ++part) {
    for (std::size_t rank = 0; rank < s.ranks(); ++rank) {
      const auto [begin, end] = s.owned(part, rank);
      const std::size_t from = rank * s.local_size() + s.local_begin(part);
      std::ranges::copy(blocks_of(square_sums_, {from, from + (end - begin)}),
                        blocks_of(sums, {begin - first, end - first}).begin());
    }
    const auto [begin, end] = replicated(part);
    if (tensor_.rank() > 0) std::ranges::fill(blocks_of(sums, {begin - first, end - first}), 0.0);
  }
}

template <class T>
std::size_t ModelPart<T>::first_bad_weight() {
  std::size_t first = table_.parameters().size();
  for (std::size_t part = owned_.size(); part-- > 0;) {
    const parallel::Extent tensors = bad_tensors(table_, owned_[part].elements, weights_.own(part));
    if (tensors.size() > 0) first = tensors.begin;
  }
  return static_cast<std::size_t>(-replicas_.maximum(-static_cast<std::int64_t>(first)));
}

template <class T>
std::int64_t ModelPart<T>::last_bad_gradient() {
  std::int64_t last = -1;
  for (std::size_t part = 0; part < owned_.size(); ++part) {
    const parallel::Extent tensors =
        bad_tensors(table_, owned_[part].elements, summed_gradient(part));
    if (tensors.size() > 0) last = static_cast<std::int64_t>(tensors.end) - 1;
  }
  return replicas_.maximum(last);
}

template <class T>
void ModelPart<T>::update(std::int64_t step, double learning_rate, double scale) {
  for (std::size_t part = 0; part < owned_.size(); ++part) {
    const Owned& own = owned_[part];
    {
      const Scope scope(profile_, Region::optimizer);
      optim::adamw_step(stream_, config_.optimizer, own.segments, own.elements.begin, step,
                        learning_rate, scale, summed_gradient(part), master(part),
                        first_moment_ + own.begin, second_moment_ + own.begin, weights_.own(part));
    }
    weights_.updated(part);
    weights_.advance();
  }
}

template <class T>
std::vector<OwnedState> ModelPart<T>::owned_state() {
  std::vector<OwnedState> state;
  for (std::size_t part = 0; part < owned_.size(); ++part) {
    const Owned& own = owned_[part];
    state.push_back(
        {own.elements, master(part), first_moment_ + own.begin, second_moment_ + own.begin});
  }
  return state;
}

template class ModelPart<float>;
template class ModelPart<bf16>;

}  // namespace isoflop::train
