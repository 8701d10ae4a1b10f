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
  struct Slot {
    T* output;
    comm::Request receive;  // of the input
    comm::Request send;     // of the output
  };
  struct StreamGradient {
    T* values;
    comm::Request receive;
    comm::Request send;
  };

  Chunk(const config::RunConfig& config, const Layout& layout, std::size_t chunk,
        ModelPart<T>& part, comm::Communicator* tensor, profile::Profile& profile)
      : stage(layout.stages[chunk]),
        part(part),
        model(config.model, stage, room_of(config, layout, chunk), model::Mode::training, profile,
              tensor) {}

  Slot& slot(std::size_t micro_batch) { return slots[micro_batch % slots.size()]; }
  StreamGradient& stream(std::size_t micro_batch) { return streams[micro_batch % streams.size()]; }

  model::Stage stage;
  ModelPart<T>& part;
  model::Transformer<T> model;
  std::size_t put_off = 0;
  std::vector<Slot> slots;
  std::vector<StreamGradient> streams;
  std::size_t forwarded = 0;  // micro-batches whose forward pass is done
  std::size_t released = 0;   // micro-batches that need their slot no more
  std::size_t open = kNone;   // virtual rank whose gradient is added up
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
      activations_(
          world.group("activations", layout.mesh.color(layout.rank, parallel::Axis::pipeline))),
      gradients_(
          world.group("gradients", layout.mesh.color(layout.rank, parallel::Axis::pipeline))),
      heads_(world.group("heads", layout.mesh.color(layout.rank, parallel::Axis::pipeline))),
      arena_(buffer_bytes<T>(config, layout)) {
  const Buffers<T> buffers = lay_out<T>(arena_, config, layout);
  for (std::size_t chunk = 0; chunk < layout.stages.size(); ++chunk) {
    auto& made = *chunks_.emplace_back(
        std::make_unique<Chunk>(config, layout, chunk, *parts[chunk], tensor, profile));
    const model::Room room = room_of(config, layout, chunk);
    made.put_off = room.put_off;
    made.slots.resize(room.in_flight);
    for (std::size_t i = 0; i < buffers.outputs[chunk].size(); ++i)
      made.slots[i].output = buffers.outputs[chunk][i];
    made.streams.resize(buffers.streams[chunk].size());
    for (std::size_t i = 0; i < made.streams.size(); ++i)
      made.streams[i].values = buffers.streams[chunk][i];
  }
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
std::size_t Pipeline<T>::sequences(const Work& work, std::size_t micro_batch) const {
  return work.data == Data::training
             ? static_cast<std::size_t>(config_.train.micro_batch)
             : batches_.validation_sequences(validation_batch(work, micro_batch));
}

template <class T>
std::size_t Pipeline<T>::validation_batch(const Work& work, std::size_t micro_batch) const {
  return std::min(work.first + micro_batch, batches_.validation_count() - 1);
}

template <class T>
std::size_t Pipeline<T>::stream_size(const Work& work, std::size_t micro_batch) const {
  return sequences(work, micro_batch) * config_.model.context * config_.model.width /
         layout_.split.ranks;
}

// Only the ends look at tokens and targets.
template <class T>
model::MicroBatch Pipeline<T>::load(const Work& work, const model::Stage& stage,
                                    std::size_t micro_batch) {
  if (!stage.embedding && !stage.head) return {sequences(work, micro_batch), {}, {}};
  if (loaded_ != micro_batch) {
    const Scope scope(profile_, Region::data);
    if (work.data == Data::training) {
      batches_.load(work.first + layout_.micro_batch(micro_batch) *
                                     static_cast<std::size_t>(config_.train.micro_batch));
    } else {
      batches_.load_validation(validation_batch(work, micro_batch));
    }
    loaded_ = micro_batch;
  }
  return {sequences(work, micro_batch), batches_.tokens(), batches_.targets()};
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

// Inputs arrive in the order of the forward passes; each has its place when the slot is free.
template <class T>
void Pipeline<T>::receive_inputs(const Work& work) {
  for (; next_input_ < inputs_.size(); ++next_input_) {
    const Operation& operation = inputs_[next_input_];
    Chunk& chunk = *chunks_[operation.chunk];
    if (operation.micro_batch >= chunk.released + chunk.slots.size()) return;
    const std::size_t slot = operation.micro_batch % chunk.slots.size();
    chunk.slots[slot].receive = activations_.template start_receive<T>(
        {chunk.model.input(slot), stream_size(work, operation.micro_batch)}, previous_rank());
  }
}

// Gradients arrive in the order of the backward passes. Their place is asked for before the
// activations that they answer are on their way, so that their sender never waits.
template <class T>
void Pipeline<T>::receive_gradients(const Work& work) {
  for (; next_gradient_ < returning_.size(); ++next_gradient_) {
    const Operation& operation = returning_[next_gradient_];
    Chunk& chunk = *chunks_[operation.chunk];
    if (operation.micro_batch >= chunk.forwarded) return;
    auto& stream = chunk.stream(operation.micro_batch);
    wait(stream.send);
    stream.receive = gradients_.template start_receive<T>(
        {stream.values, stream_size(work, operation.micro_batch)}, next_rank());
  }
}

template <class T>
void Pipeline<T>::forward(const Work& work, const Operation& operation) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  auto& slot = chunk.slot(m);
  wait(slot.receive);
  wait(slot.send);
  chunk.model.forward(weights(chunk), m % chunk.slots.size(), load(work, chunk.stage, m),
                      slot.output);
  chunk.forwarded = m + 1;
  receive_gradients(work);
  if (!chunk.stage.head)
    slot.send =
        activations_.template start_send<T>({slot.output, stream_size(work, m)}, next_rank());
}

template <class T>
void Pipeline<T>::backward(const Work& work, const Operation& operation, std::span<double> losses) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  const std::size_t virtual_rank = m / layout_.micro_batches_a_virtual_rank;
  const bool split = operation.pass == Pass::backward_input;
  auto& stream = chunk.stream(m);
  wait(stream.receive);
  wait(stream.send);
  if (chunk.stage.head) open_head(m);
  if (!split || chunk.stage.embedding) open_gradient(chunk, virtual_rank);
  if (!split && ends_virtual_rank(m)) chunk.part.begin_last_pass();
  const model::MicroBatch batch = load(work, chunk.stage, m);
  const std::size_t slot = m % chunk.slots.size();
  const model::Gradient target = gradient(chunk, virtual_rank);
  const double loss =
      split ? chunk.model.backward_input(weights(chunk), slot, m % chunk.put_off, batch,
                                         stream.values, target)
            : chunk.model.backward(weights(chunk), slot, batch, stream.values, target);
  if (chunk.stage.head) losses[layout_.micro_batch(m)] = loss;
  if (!chunk.stage.embedding)
    stream.send =
        gradients_.template start_send<T>({stream.values, stream_size(work, m)}, previous_rank());
  if (chunk.stage.head && head_weights_ != nullptr && ends_virtual_rank(m))
    head_sends_[virtual_rank % head_sends_.size()] =
        heads_.template start_send<float>({target.head, head_size()}, next_rank());
  if (!split) release(work, chunk, m);
}

template <class T>
void Pipeline<T>::backward_weight(const Work& work, const Operation& operation) {
  Chunk& chunk = *chunks_[operation.chunk];
  const std::size_t m = operation.micro_batch;
  const std::size_t virtual_rank = m / layout_.micro_batches_a_virtual_rank;
  open_gradient(chunk, virtual_rank);
  if (ends_virtual_rank(m)) {
    if (chunk.stage.head && head_weights_ == nullptr)
      add_head(chunk, head_gradients_[virtual_rank % head_gradients_.size()]);
    chunk.part.begin_last_pass();
  }
  chunk.model.backward_weight(weights(chunk), m % chunk.slots.size(), m % chunk.put_off,
                              sequences(work, m), gradient(chunk, virtual_rank));
  release(work, chunk, m);
}

// Nothing needs the micro-batch's activations any more.
template <class T>
void Pipeline<T>::release(const Work& work, Chunk& chunk, std::size_t micro_batch) {
  if (ends_virtual_rank(micro_batch)) close_gradient(chunk);
  chunk.released = micro_batch + 1;
  receive_inputs(work);
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

// `operations` of this rank are about to run.
template <class T>
void Pipeline<T>::begin(const Work& work, std::span<const Operation> operations) {
  inputs_.clear();
  returning_.clear();
  next_input_ = next_gradient_ = 0;
  loaded_ = kNone;
  for (const Operation& operation : operations) {
    const model::Stage& stage = layout_.stages[operation.chunk];
    if (operation.pass == Pass::forward) {
      if (!stage.embedding) inputs_.push_back(operation);
    } else if (operation.pass != Pass::backward_weight && !stage.head) {
      returning_.push_back(operation);
    }
  }
  for (const auto& chunk : chunks_) chunk->forwarded = chunk->released = 0;
  receive_inputs(work);
}

// Everything that was sent has left its buffer.
template <class T>
void Pipeline<T>::end() {
  for (const auto& chunk : chunks_) {
    for (auto& slot : chunk->slots) wait(slot.send);
    for (auto& stream : chunk->streams) wait(stream.send);
  }
  for (comm::Request& request : head_sends_) wait(request);
}

template <class T>
void Pipeline<T>::train(std::int64_t batch, std::span<double> all_losses) {
  const Work work{Data::training, static_cast<std::uint64_t>(batch * config_.train.global_batch)};
  if (head_arrival_ != nullptr) receive_head();
  begin(work, layout_.operations);
  for (const Operation& operation : layout_.operations) {
    switch (operation.pass) {
      case Pass::forward:
        forward(work, operation);
        break;
      case Pass::backward:
      case Pass::backward_input:
        backward(work, operation, all_losses);
        break;
      case Pass::backward_weight:
        backward_weight(work, operation);
        break;
    }
  }
  end();
}

// Replicas run the same passes, for they may have to gather weights together: one with fewer
// micro-batches runs another's once more and drops the loss.
template <class T>
void Pipeline<T>::evaluate(std::span<double> all_losses) {
  const std::size_t replicas = layout_.mesh.data;
  const parallel::Extent mine = parallel::share(all_losses.size(), replicas, layout_.at.data);
  const std::span<double> losses = all_losses.subspan(mine.begin, mine.size());
  only_forward({Data::validation, mine.begin},
               parallel::share(all_losses.size(), replicas, 0).size(),
               [&](const Chunk& chunk, std::size_t m, double loss) {
                 if (chunk.stage.head && m < losses.size()) losses[m] = loss;
               });
}

template <class T>
std::size_t Pipeline<T>::first_non_finite(std::int64_t batch) {
  const Work work{Data::training, static_cast<std::uint64_t>(batch * config_.train.global_batch)};
  std::size_t first = model::Transformer<T>::kAllFinite;
  only_forward(
      work, layout_.shape.micro_batches, [&](const Chunk& chunk, std::size_t m, double loss) {
        first = std::min(
            first, chunk.model.first_non_finite(m % chunk.slots.size(), sequences(work, m), loss));
      });
  return first;
}

// Calls look(chunk, micro-batch, loss) after each forward pass; the loss is 0 without the head.
template <class T>
template <class Look>
void Pipeline<T>::only_forward(const Work& work, std::size_t micro_batches, Look&& look) {
  parallel::PipelineShape shape = layout_.shape;
  shape.micro_batches = micro_batches;
  const std::vector<Operation> operations = forward_passes(shape, layout_.at.pipeline);
  begin(work, operations);
  for (const Operation& operation : operations) {
    forward(work, operation);
    Chunk& chunk = *chunks_[operation.chunk];
    const std::size_t m = operation.micro_batch;
    const double loss = chunk.stage.head
                            ? chunk.model.evaluate(weights(chunk), m % chunk.slots.size(),
                                                   load(work, chunk.stage, m))
                            : 0.0;
    look(chunk, m, loss);
    chunk.released = m + 1;
    receive_inputs(work);
  }
  end();
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
  const Work work{Data::training, 0};
  const auto once = [&] {
    for (const auto& chunk : chunks_) {
      if (!chunk->stage.embedding)
        std::fill_n(chunk->model.input(0), stream_size(work, 0), T(0.0f));
      const model::MicroBatch batch = load(work, chunk->stage, 0);
      chunk->model.forward(weights(*chunk), 0, batch, chunk->slots[0].output);
      if (chunk->stage.head) chunk->model.evaluate(weights(*chunk), 0, batch);
    }
  };
  loaded_ = kNone;
  once();  // warms up caches and pages
  const auto begin = std::chrono::steady_clock::now();
  once();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template class Pipeline<float>;
template class Pipeline<bf16>;

}  // namespace isoflop::train
