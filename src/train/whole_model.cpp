#include "train/whole_model.hpp"

#include <algorithm>
#include <chrono>

namespace isoflop::train {
namespace {

using profile::Region;
using profile::Scope;

model::Room room(const config::RunConfig& config) {
  return {.batch = static_cast<std::size_t>(config.train.micro_batch),
          .recompute = config.parallel.recompute};
}

}  // namespace

template <class T>
std::size_t WholeModel<T>::memory_bytes(const config::RunConfig& config, const Layout& layout) {
  return model::Transformer<T>::memory_bytes(config.model, model::whole_model(config.model),
                                             room(config), model::Mode::training, layout.split);
}

template <class T>
WholeModel<T>::WholeModel(const config::RunConfig& config, const Layout& layout, ModelPart<T>& part,
                          Batches& batches, profile::Profile& profile, comm::Communicator* tensor)
    : config_(config),
      layout_(layout),
      part_(part),
      batches_(batches),
      profile_(profile),
      model_(config.model, model::whole_model(config.model), room(config), model::Mode::training,
             profile, tensor) {}

template <class T>
void WholeModel<T>::train(std::int64_t batch, std::span<double> losses) {
  const parallel::Dealing& dealing = part_.dealing();
  for (std::size_t turn = 0; turn < dealing.turns(); ++turn) {
    part_.begin_turn(turn);
    if (const auto virtual_rank = dealing.virtual_rank(layout_.at.data, turn)) {
      train_virtual_rank(batch, *virtual_rank, losses);
    } else if (dealing.in_rounds) {
      follow_virtual_rank();
    }
  }
}

template <class T>
void WholeModel<T>::train_virtual_rank(std::int64_t batch, std::size_t v,
                                       std::span<double> losses) {
  const std::size_t each = layout_.micro_batches_a_virtual_rank;
  const auto micro_batch = static_cast<std::size_t>(config_.train.micro_batch);
  const auto first = static_cast<std::uint64_t>(batch * config_.train.global_batch);
  for (std::size_t i = v * each; i < (v + 1) * each; ++i) {
    {
      const Scope scope(profile_, Region::data);
      batches_.load(first + i * micro_batch);
    }
    if (i + 1 == (v + 1) * each) part_.begin_last_pass();
    losses[i] = model_.train_batch(part_, batches_.tokens(), batches_.targets());
  }
  model_.close_gradient(part_.gradient(0));
  part_.complete(0);
}

// Other ranks train a virtual rank and this one has none: it gives them its shards.
template <class T>
void WholeModel<T>::follow_virtual_rank() {
  for (std::size_t i = 0; i < layout_.micro_batches_a_virtual_rank; ++i) {
    if (i + 1 == layout_.micro_batches_a_virtual_rank) part_.begin_last_pass();
    model_.follow_batch(part_, model::Mode::training);
  }
  part_.complete(0);
}

// Calls look(micro-batch, loss) after each of this rank's validation micro-batches.
template <class T>
template <class Look>
bool WholeModel<T>::validate(const std::function<bool()>& stop, Look&& look) {
  const std::size_t ranks = layout_.mesh.data, count = batches_.validation_count();
  const parallel::Extent mine = parallel::share(count, ranks, layout_.at.data);
  for (std::size_t i = 0; i < parallel::share(count, ranks, 0).size(); ++i) {
    if (stop()) return false;
    if (i >= mine.size()) {
      model_.follow_batch(part_, model::Mode::evaluation);
      continue;
    }
    batches_.load_validation(mine.begin + i);
    look(mine.begin + i, model_.evaluate_batch(part_, batches_.tokens(), batches_.targets()));
  }
  return true;
}

template <class T>
bool WholeModel<T>::evaluate(std::span<double> losses, const std::function<bool()>& stop) {
  return validate(stop, [&](std::size_t index, double loss) { losses[index] = loss; });
}

template <class T>
std::size_t WholeModel<T>::first_non_finite_of_validation() {
  std::size_t first = model_.kAllFinite;
  model_.watch(true);
  validate([] { return false; },
           [&](std::size_t index, double loss) {
             const std::size_t sequences = batches_.validation_sequences(index);
             first = std::min(first, model_.first_non_finite(0, sequences, loss));
           });
  model_.watch(false);
  return first;
}

template <class T>
std::size_t WholeModel<T>::first_non_finite(std::int64_t batch) {
  const parallel::Dealing& dealing = part_.dealing();
  const std::size_t each = layout_.micro_batches_a_virtual_rank;
  std::size_t first = model_.kAllFinite;
  model_.watch(true);
  for (std::size_t i = 0; i < dealing.turns() * each; ++i) {
    if (!dealing.virtual_rank(layout_.at.data, i / each)) {
      if (dealing.in_rounds) model_.follow_batch(part_, model::Mode::evaluation);
      continue;
    }
    batches_.load(static_cast<std::uint64_t>(batch * config_.train.global_batch) +
                  layout_.micro_batch(i) * static_cast<std::size_t>(config_.train.micro_batch));
    const double loss = model_.evaluate_batch(part_, batches_.tokens(), batches_.targets());
    const auto sequences = static_cast<std::size_t>(config_.train.micro_batch);
    first = std::min(first, model_.first_non_finite(0, sequences, loss));
  }
  model_.watch(false);
  return first;
}

template <class T>
double WholeModel<T>::time_forward() {
  const auto once = [&] { model_.evaluate_batch(part_, batches_.tokens(), batches_.targets()); };
  batches_.load(0);
  once();  // warms up caches and pages
  const auto begin = std::chrono::steady_clock::now();
  once();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template class WholeModel<float>;
template class WholeModel<bf16>;

}  // namespace isoflop::train
