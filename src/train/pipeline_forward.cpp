// What a pipeline does with forward passes alone: evaluate, look for what is no number, take the
// time.
#include <algorithm>
#include <chrono>

#include "train/pipeline_chunk.hpp"

namespace isoflop::train {
namespace {

using parallel::Operation;

std::vector<Operation> forward_passes(const parallel::PipelineShape& shape, std::size_t rank) {
  std::vector<Operation> operations = parallel::operations_of(shape, rank);
  std::erase_if(operations, [](const Operation& o) { return o.pass != parallel::Pass::forward; });
  return operations;
}

}  // namespace

// Stages receive ahead of their passes and cannot turn back in between, so that the pipeline may
// stop after as many micro-batches as the longest replica's step has: all ranks ask equally often,
// also those of replicas with fewer virtual ranks. Replicas run the same passes, for they may have
// to gather weights together: one with fewer micro-batches runs another's once more. Calls
// look(chunk, micro-batch, loss) as only_forward() does.
template <class T>
template <class Look>
bool Pipeline<T>::validate(const std::function<bool()>& stop, Look&& look) {
  const std::size_t replicas = layout_.mesh.data, count = batches_.validation_count();
  const std::size_t each = layout_.dealing.turns() * layout_.micro_batches_a_virtual_rank;
  const std::size_t most = parallel::share(count, replicas, 0).size();
  const parallel::Extent mine = parallel::share(count, replicas, layout_.at.data);
  for (std::size_t first = 0; first < most; first += each) {
    if (stop()) return false;
    begin({Data::validation, mine.begin + first});
    only_forward(std::min(each, most - first), look);
  }
  return true;
}

template <class T>
bool Pipeline<T>::evaluate(std::span<double> losses, const std::function<bool()>& stop) {
  const std::size_t end = parallel::share(losses.size(), layout_.mesh.data, layout_.at.data).end;
  return validate(stop, [&](const Chunk& chunk, std::size_t m, double loss) {
    const std::size_t index = work_.first + m;
    if (chunk.stage.head && index < end) losses[index] = loss;
  });
}

template <class T>
void Pipeline<T>::watch(bool watches) {
  for (const auto& chunk : chunks_) chunk->model.watch(watches);
}

template <class T>
std::size_t Pipeline<T>::first_non_finite_of_validation() {
  std::size_t first = model::Transformer<T>::kAllFinite;
  watch(true);
  validate([] { return false; },
           [&](const Chunk& chunk, std::size_t m, double loss) {
             first =
                 std::min(first, chunk.model.first_non_finite(chunk.slot(m), sequences(m), loss));
           });
  watch(false);
  return first;
}

template <class T>
std::size_t Pipeline<T>::first_non_finite(std::int64_t batch) {
  begin({Data::training, static_cast<std::uint64_t>(batch * config_.train.global_batch)});
  std::size_t first = model::Transformer<T>::kAllFinite;
  watch(true);
  only_forward(layout_.shape.micro_batches, [&](const Chunk& chunk, std::size_t m, double loss) {
    first = std::min(first, chunk.model.first_non_finite(chunk.slot(m), sequences(m), loss));
  });
  watch(false);
  return first;
}

// Calls look(chunk, micro-batch, loss) after each forward pass; the loss is 0 without the head.
template <class T>
template <class Look>
void Pipeline<T>::only_forward(std::size_t micro_batches, Look&& look) {
  parallel::PipelineShape shape = layout_.shape;
  shape.micro_batches = micro_batches;
  const std::vector<Operation> operations = forward_passes(shape, layout_.at.pipeline);
  messages_->begin(operations);
  for (const Operation& operation : operations) {
    forward(operation);
    Chunk& chunk = *chunks_[operation.chunk];
    const std::size_t m = operation.micro_batch;
    const double loss =
        chunk.stage.head ? chunk.model.evaluate(weights(chunk), chunk.slot(m), load(chunk.stage, m))
                         : 0.0;
    look(chunk, m, loss);
    messages_->released(operation.chunk, m);
  }
  messages_->end();
}

template <class T>
double Pipeline<T>::time_forward() {
  begin({Data::training, 0});
  const auto once = [&] {
    for (std::size_t index = 0; index < chunks_.size(); ++index) {
      Chunk& chunk = *chunks_[index];
      if (!chunk.stage.embedding) std::fill_n(chunk.model.input(0), stream_size(0), T(0.0f));
      const model::MicroBatch batch = load(chunk.stage, 0);
      chunk.model.forward(weights(chunk), 0, batch, messages_->output(index, 0));
      if (chunk.stage.head) chunk.model.evaluate(weights(chunk), 0, batch);
    }
  };
  once();  // warms up caches and pages
  const auto begin = std::chrono::steady_clock::now();
  once();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template class Pipeline<float>;
template class Pipeline<bf16>;

}  // namespace isoflop::train
