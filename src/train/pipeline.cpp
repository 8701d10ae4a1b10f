#include "train/pipeline.hpp"

#include <algorithm>
#include <chrono>

#include "core/error.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::train {
namespace {

using parallel::Operation;
using parallel::Pass;
using profile::Region;
using profile::Scope;

constexpr std::size_t kNone = SIZE_MAX;

// What a rank needs beside its stages' own activations.
template <class T>
struct Buffers {
  std::vector<std::vector<T*>> outputs;  // [chunk][in flight], [M, d]; not with the head
  std::vector<std::vector<T*>> streams;  // [chunk][], [M, d] gradients of the residual stream
  std::vector<float*> head_gradients;    // [V, d]
  float* head_arrival = nullptr;         // [V, d]
  T* head_weights = nullptr;             // [V, d]
};

bool heads_travel(const config::RunConfig& config, const Layout& layout) {
  return config.model.tied && layout.shape.ranks > 1;
}

template <class T>
Buffers<T> lay_out(device::Arena& arena, const config::RunConfig& config, const Layout& layout) {
  const model::ModelConfig& c = config.model;
  const std::size_t head = layout.split.share(c.vocabulary).size() * c.width;
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
  for (std::size_t i = 0; i < layout.head_buffers; ++i)
    buffers.head_gradients.push_back(arena.take<float>(head));
  if (!heads_travel(config, layout)) return buffers;
  if (layout.stages.front().embedding) buffers.head_arrival = arena.take<float>(head);
  if (layout.stages.back().head) buffers.head_weights = arena.take<T>(head);
  return buffers;
}

template <class T>
std::size_t buffer_bytes(const config::RunConfig& config, const Layout& layout) {
  device::Arena counting;
  lay_out<T>(counting, config, layout);
  return counting.used();
}

std::vector<Operation> forward_passes(const parallel::PipelineShape& shape, std::size_t rank) {
  std::vector<Operation> operations = parallel::operations_of(shape, rank);
  std::erase_if(operations, [](const Operation& o) { return o.pass != Pass::forward; });
  return operations;
}

}  // namespace

template <class T>
struct Pipeline<T>::Chunk {
  Chunk(const config::RunConfig& config, const Layout& layout, std::size_t chunk,
        ModelPart<T>& part, comm::Communicator* tensor, profile::Profile& profile)
      : stage(layout.stages[chunk]),
        room(room_of(config, layout, chunk)),
        part(part),
        model(config.model, stage, room, model::Mode::training, profile, tensor) {}

  std::size_t slot(std::size_t micro_batch) const { return micro_batch % room.in_flight; }

  model::Stage stage;
  model::Room room;
  ModelPart<T>& part;
  model::Transformer<T> model;
  std::size_t open = kNone;  // virtual rank whose gradient is added up
};

template <class T>
Pipeline<T>::Pipeline(const config::RunConfig& config, const Layout& layout,
                      comm::Communicator& world, comm::Communicator* tensor,
                      std::span<const std::unique_ptr<ModelPart<T>>> parts, Batches& batches,
                      profile::Profile& profile)
    : config_(config),
      layout_(layout),
      batches_(batches),
      profile_(profile),
      heads_(world.group("heads", layout.mesh.color(layout.rank, parallel::Axis::pipeline))),
      arena_(buffer_bytes<T>(config, layout)) {
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
  head_gradients_ = buffers.head_gradients;
  head_sends_.resize(head_gradients_.size());
  head_arrival_ = buffers.head_arrival;
  head_weights_ = buffers.head_weights;
}

template <class T>
Pipeline<T>::~Pipeline() = default;

template <class T>
std::size_t Pipeline<T>::memory_bytes(const config::RunConfig& config, const Layout& layout) {
  std::size_t bytes = buffer_bytes<T>(config, layout);
  for (std::size_t chunk = 0; chunk < layout.stages.size(); ++chunk)
    bytes += model::Transformer<T>::memory_bytes(config.model, layout.stages[chunk],
                                                 room_of(config, layout, chunk),
                                                 model::Mode::training, layout.split);
  return bytes;
}

template <class T>
void Pipeline<T>::wait(comm::Request& request) {
  const Scope scope(profile_, Region::pipeline);
  request.wait();
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
  return {nullptr, chunk.stage.head ? head_weights_ : nullptr, &chunk.part};
}

template <class T>
model::Gradient Pipeline<T>::gradient(const Chunk& chunk, std::size_t virtual_rank) {
  if (!chunk.stage.head || head_gradients_.empty()) return {nullptr, nullptr};
  return {nullptr, head_gradients_[virtual_rank % head_gradients_.size()]};
}

template <class T>
void Pipeline<T>::forward(const Operation& operation) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  messages_->await_input(operation.chunk, m);
  chunk.model.forward(weights(chunk), chunk.slot(m), load(chunk.stage, m),
                      messages_->output(operation.chunk, m));
  messages_->forwarded(operation.chunk, m);
}

template <class T>
void Pipeline<T>::backward(const Operation& operation, std::span<double> losses) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  const std::size_t virtual_rank = m / layout_.micro_batches_a_virtual_rank;
  const bool split = operation.pass == Pass::backward_input;
  T* stream = messages_->await_gradient(operation.chunk, m);
  if (chunk.stage.head) open_head(m);
  if (!split || chunk.stage.embedding) open_gradient(chunk, virtual_rank);
  if (!split && ends_virtual_rank(m)) chunk.part.begin_last_pass();
  const model::MicroBatch batch = load(chunk.stage, m);
  const std::size_t slot = chunk.slot(m);
  const model::Gradient target = gradient(chunk, virtual_rank);
  const double loss = split
                          ? chunk.model.backward_input(weights(chunk), slot, m % chunk.room.put_off,
                                                       batch, stream, target)
                          : chunk.model.backward(weights(chunk), slot, batch, stream, target);
  if (chunk.stage.head) losses[layout_.micro_batch(m)] = loss;
  messages_->send_gradient(operation.chunk, m);
  if (chunk.stage.head && head_weights_ != nullptr && ends_virtual_rank(m))
    head_sends_[virtual_rank % head_sends_.size()] =
        heads_.template start_send<float>({target.head, head_size()}, next_rank());
  if (!split) release(operation);
}

template <class T>
void Pipeline<T>::backward_weight(const Operation& operation) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  const std::size_t virtual_rank = m / layout_.micro_batches_a_virtual_rank;
  open_gradient(chunk, virtual_rank);
  if (ends_virtual_rank(m)) {
    if (chunk.stage.head && head_weights_ == nullptr)
      add_head(chunk, head_gradients_[virtual_rank % head_gradients_.size()]);
    chunk.part.begin_last_pass();
  }
  chunk.model.backward_weight(weights(chunk), chunk.slot(m), m % chunk.room.put_off, sequences(m),
                              gradient(chunk, virtual_rank));
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
  ISOFLOP_EXPECT(chunk.open == kNone);
  chunk.part.begin_turn(virtual_rank);
  chunk.open = virtual_rank;
}

template <class T>
void Pipeline<T>::open_head(std::size_t micro_batch) {
  if (head_gradients_.empty() || micro_batch % layout_.micro_batches_a_virtual_rank != 0) return;
  const std::size_t index =
      micro_batch / layout_.micro_batches_a_virtual_rank % head_gradients_.size();
  wait(head_sends_[index]);
  const Scope scope(profile_, Region::zero);
  kernels::fill(stream_, head_size(), 0.0f, head_gradients_[index]);
}

template <class T>
void Pipeline<T>::add_head(Chunk& chunk, const float* head) {
  const model::ParameterTable& table = chunk.model.table();
  float* part = chunk.part.gradient(table.head_part());
  const Scope scope(profile_, Region::reduce);
  kernels::add_in_place(stream_, head_size(), head,
                        part + (table.head() - table.parts()[table.head_part()].begin));
}

// The passes have completed all parts but the embedding.
template <class T>
void Pipeline<T>::close_gradient(Chunk& chunk) {
  if (chunk.stage.embedding) {
    if (head_arrival_ != nullptr) {
      wait(head_receive_);
      add_head(chunk, head_arrival_);
      if (chunk.open + 1 < layout_.turns()) receive_head();
    }
    chunk.part.complete(0);
  }
  chunk.open = kNone;
}

template <class T>
void Pipeline<T>::receive_head() {
  head_receive_ =
      heads_.template start_receive<float>({head_arrival_, head_size()}, previous_rank());
}

template <class T>
void Pipeline<T>::begin(const Work& work) {
  work_ = work;
  loaded_ = kNone;
}

template <class T>
void Pipeline<T>::train(std::int64_t batch, std::span<double> all_losses) {
  begin({Data::training, static_cast<std::uint64_t>(batch * config_.train.global_batch)});
  if (head_arrival_ != nullptr) receive_head();
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
  for (comm::Request& request : head_sends_) wait(request);
}

// Replicas run the same passes, for they may have to gather weights together: one with fewer
// micro-batches runs another's once more and drops the loss.
template <class T>
void Pipeline<T>::evaluate(std::span<double> all_losses) {
  const std::size_t replicas = layout_.mesh.data;
  const parallel::Extent mine = parallel::share(all_losses.size(), replicas, layout_.at.data);
  const std::span<double> losses = all_losses.subspan(mine.begin, mine.size());
  begin({Data::validation, mine.begin});
  only_forward(parallel::share(all_losses.size(), replicas, 0).size(),
               [&](const Chunk& chunk, std::size_t m, double loss) {
                 if (chunk.stage.head && m < losses.size()) losses[m] = loss;
               });
}

template <class T>
std::size_t Pipeline<T>::first_non_finite(std::int64_t batch) {
  begin({Data::training, static_cast<std::uint64_t>(batch * config_.train.global_batch)});
  std::size_t first = model::Transformer<T>::kAllFinite;
  only_forward(layout_.shape.micro_batches, [&](const Chunk& chunk, std::size_t m, double loss) {
    first = std::min(first, chunk.model.first_non_finite(chunk.slot(m), sequences(m), loss));
  });
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
void Pipeline<T>::weights_changed() {
  if (head_arrival_ != nullptr)
    heads_.template send<T>({chunks_.front()->part.head_weights(), head_size()}, previous_rank());
  if (head_weights_ != nullptr)
    heads_.template receive<T>({head_weights_, head_size()}, next_rank());
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
