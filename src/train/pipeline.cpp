#include "train/pipeline.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "kernels/api/optimizer.hpp"
#include "train/pipeline_chunk.hpp"

namespace isoflop::train {
namespace {

using parallel::Operation;
using parallel::Pass;
using profile::Region;
using profile::Scope;

// What a rank needs beside its stages' own activations.
template <class T>
struct Buffers {
  std::vector<std::vector<T*>> outputs;  // [chunk][in flight], [M, d]; not with the head
  std::vector<std::vector<T*>> streams;  // [chunk][], [M, d] gradients of the residual stream
};

template <class T>
Buffers<T> lay_out(device::Arena& arena, const config::RunConfig& config, const Layout& layout) {
  const model::ModelConfig& c = config.model;
  Buffers<T> buffers;
  for (std::size_t chunk = 0; chunk < layout.stages.size(); ++chunk) {
    const model::Stage& stage = layout.stages[chunk];
    const model::Room room = room_of(config, layout, chunk);
    const std::size_t size = room.batch * c.context * c.width / layout.split.ranks;
    auto& outputs = buffers.outputs.emplace_back();
    for (std::size_t i = 0; i < (stage.head ? 0 : room.in_flight); ++i)
      outputs.push_back(arena.take<T>(size));
    // One more than are in flight: a gradient that is being sent stays out of the next one's way.
    auto& streams = buffers.streams.emplace_back();
    for (std::size_t i = 0; i < room.in_flight + (stage.embedding ? 0 : 1); ++i)
      streams.push_back(arena.take<T>(size));
  }
  return buffers;
}

template <class T>
std::size_t buffer_bytes(const config::RunConfig& config, const Layout& layout) {
  device::Arena counting;
  lay_out<T>(counting, config, layout);
  return counting.used();
}

}  // namespace

template <class T>
Pipeline<T>::Pipeline(const config::RunConfig& config, const Layout& layout,
                      comm::Communicator& world, comm::Communicator* tensor,
                      std::span<const std::unique_ptr<ModelPart<T>>> parts, Batches& batches,
                      profile::Profile& profile)
    : config_(config),
      layout_(layout),
      batches_(batches),
      profile_(profile),
      head_(config, layout, world, profile),
      arena_(buffer_bytes<T>(config, layout)),
      clock_(layout.stages.size()) {
  const Buffers<T> buffers = lay_out<T>(arena_, config, layout);
  std::vector<StagePlaces<T>> places;
  for (std::size_t chunk = 0; chunk < layout.stages.size(); ++chunk) {
    auto& made = *chunks_.emplace_back(
        std::make_unique<Chunk>(config, layout, chunk, *parts[chunk], tensor, profile));
    std::vector<T*> inputs;
    for (std::size_t slot = 0; slot < made.room.in_flight; ++slot)
      inputs.push_back(made.stage.embedding ? nullptr : made.model.input(slot));
    places.push_back({.first = made.stage.embedding,
                      .last = made.stage.head,
                      .inputs = inputs,
                      .outputs = buffers.outputs[chunk],
                      .gradients = buffers.streams[chunk]});
  }
  messages_ = std::make_unique<StageMessages<T>>(
      world, layout.mesh.color(layout.rank, parallel::Axis::pipeline), std::move(places),
      [this](std::size_t micro_batch) { return stream_size(micro_batch); }, profile);
}

template <class T>
Pipeline<T>::~Pipeline() = default;

template <class T>
std::size_t Pipeline<T>::memory_bytes(const config::RunConfig& config, const Layout& layout) {
  std::size_t bytes =
      buffer_bytes<T>(config, layout) + PipelineHead<T>::memory_bytes(config, layout);
  for (std::size_t chunk = 0; chunk < layout.stages.size(); ++chunk)
    bytes += model::Transformer<T>::memory_bytes(config.model, layout.stages[chunk],
                                                 room_of(config, layout, chunk),
                                                 model::Mode::training, layout.split);
  return bytes;
}

template <class T>
std::size_t Pipeline<T>::sequences(std::size_t micro_batch) const {
  return work_.data == Data::training
             ? static_cast<std::size_t>(config_.train.micro_batch)
             : batches_.validation_sequences(validation_batch(micro_batch));
}

template <class T>
std::size_t Pipeline<T>::validation_batch(std::size_t micro_batch) const {
  return std::min(work_.first + micro_batch, batches_.validation_count() - 1);
}

template <class T>
std::size_t Pipeline<T>::stream_size(std::size_t micro_batch) const {
  return sequences(micro_batch) * config_.model.context * config_.model.width / layout_.split.ranks;
}

// Only the ends look at tokens and targets.
template <class T>
model::MicroBatch Pipeline<T>::load(const model::Stage& stage, std::size_t micro_batch) {
  if (!stage.embedding && !stage.head) return {sequences(micro_batch), {}, {}};
  if (loaded_ != micro_batch) {
    const Scope scope(profile_, Region::data);
    if (work_.data == Data::training) {
      batches_.load(work_.first + layout_.micro_batch(micro_batch) *
                                      static_cast<std::size_t>(config_.train.micro_batch));
    } else {
      batches_.load_validation(validation_batch(micro_batch));
    }
    loaded_ = micro_batch;
  }
  return {sequences(micro_batch), batches_.tokens(), batches_.targets()};
}

template <class T>
model::Weights<T> Pipeline<T>::weights(const Chunk& chunk) const {
  return {nullptr, chunk.stage.head ? head_.weights() : nullptr, &chunk.part};
}

template <class T>
model::Gradient Pipeline<T>::gradient(const Chunk& chunk, std::size_t virtual_rank) {
  return {nullptr, chunk.stage.head ? head_.gradient(virtual_rank) : nullptr};
}

template <class T>
void Pipeline<T>::forward(const Operation& operation) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  messages_->await_input(operation.chunk, m);
  clock_.time(operation, [&] {
    chunk.model.forward(weights(chunk), chunk.slot(m), load(chunk.stage, m),
                        messages_->output(operation.chunk, m));
  });
  messages_->forwarded(operation.chunk, m);
}

template <class T>
void Pipeline<T>::backward(const Operation& operation, std::span<double> losses) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  const std::size_t virtual_rank = m / layout_.micro_batches_a_virtual_rank;
  const bool split = operation.pass == Pass::backward_input;
  T* stream = messages_->await_gradient(operation.chunk, m);
  if (chunk.stage.head && m % layout_.micro_batches_a_virtual_rank == 0) head_.open(virtual_rank);
  if (!split || chunk.stage.embedding) open_gradient(chunk, virtual_rank);
  if (!split && ends_virtual_rank(m)) chunk.part.begin_last_pass();
  const std::size_t slot = chunk.slot(m);
  const model::Gradient target = gradient(chunk, virtual_rank);
  const double loss = clock_.time(operation, [&] {
    const model::MicroBatch batch = load(chunk.stage, m);
    return split ? chunk.model.backward_input(weights(chunk), slot, m % chunk.room.put_off, batch,
                                              stream, target)
                 : chunk.model.backward(weights(chunk), slot, batch, stream, target);
  });
  if (chunk.stage.head) losses[layout_.micro_batch(m)] = loss;
  messages_->send_gradient(operation.chunk, m);
  if (chunk.stage.head && ends_virtual_rank(m)) head_.send(virtual_rank);
  if (!split) release(operation);
}

template <class T>
void Pipeline<T>::backward_weight(const Operation& operation) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  const std::size_t virtual_rank = m / layout_.micro_batches_a_virtual_rank;
  open_gradient(chunk, virtual_rank);
  if (ends_virtual_rank(m)) {
    if (chunk.stage.head && head_.weights() == nullptr)
      add_head(chunk, head_.gradient(virtual_rank));
    chunk.part.begin_last_pass();
  }
  clock_.time(operation, [&] {
    chunk.model.backward_weight(weights(chunk), chunk.slot(m), m % chunk.room.put_off, sequences(m),
                                gradient(chunk, virtual_rank));
  });
  release(operation);
}

// Nothing needs the micro-batch's activations any more.
template <class T>
void Pipeline<T>::release(const Operation& operation) {
  if (ends_virtual_rank(operation.micro_batch)) close_gradient(*chunks_[operation.chunk]);
  messages_->released(operation.chunk, operation.micro_batch);
}

template <class T>
bool Pipeline<T>::ends_virtual_rank(std::size_t micro_batch) const {
  return (micro_batch + 1) % layout_.micro_batches_a_virtual_rank == 0;
}

template <class T>
void Pipeline<T>::open_gradient(Chunk& chunk, std::size_t virtual_rank) {
  if (chunk.open == virtual_rank) return;
  ISOFLOP_EXPECT(chunk.open == Chunk::kNone);
  chunk.part.begin_turn(virtual_rank);
  chunk.open = virtual_rank;
}

template <class T>
void Pipeline<T>::add_head(Chunk& chunk, const float* head) {
  const model::ParameterTable& table = chunk.model.table();
  float* part = chunk.part.gradient(table.head_part());
  const Scope scope(profile_, Region::reduce);
  kernels::add_in_place(stream_, head_.size(), head,
                        part + (table.head() - table.parts()[table.head_part()].begin));
}

// The passes have completed all parts but the embedding.
template <class T>
void Pipeline<T>::close_gradient(Chunk& chunk) {
  if (chunk.stage.embedding) {
    if (head_.receives()) {
      add_head(chunk, head_.arrived());
      if (chunk.open + 1 < layout_.turns()) head_.receive();
    }
    chunk.part.complete(0);
  }
  chunk.open = Chunk::kNone;
}

template <class T>
void Pipeline<T>::begin(const Work& work) {
  work_ = work;
  loaded_ = SIZE_MAX;
}

template <class T>
void Pipeline<T>::train(std::int64_t batch, std::span<double> all_losses) {
  begin({Data::training, static_cast<std::uint64_t>(batch * config_.train.global_batch)});
  if (head_.receives()) head_.receive();
  messages_->begin(layout_.operations);
  for (const Operation& operation : layout_.operations) {
    switch (operation.pass) {
      case Pass::forward:
        forward(operation);
        break;
      case Pass::backward:
      case Pass::backward_input:
        backward(operation, all_losses);
        break;
      case Pass::backward_weight:
        backward_weight(operation);
        break;
    }
  }
  messages_->end();
  head_.end();
}

template <class T>
void Pipeline<T>::weights_changed() {
  head_.exchange_weights(head_.receives() ? chunks_.front()->part.head_weights() : nullptr);
}

template class Pipeline<float>;
template class Pipeline<bf16>;

}  // namespace isoflop::train
