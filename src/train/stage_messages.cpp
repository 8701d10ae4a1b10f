#include "train/stage_messages.hpp"

#include <utility>

#include "core/bf16.hpp"

namespace isoflop::train {

using parallel::Operation;
using parallel::Pass;

template <class T>
StageMessages<T>::StageMessages(comm::Communicator& world, int color,
                                std::vector<StagePlaces<T>> places, Size size,
                                profile::Profile& profile)
    : activations_(world.group("activations", color)),
      gradients_(world.group("gradients", color)),
      chunks_(places.size()),
      size_(std::move(size)),
      profile_(profile) {
  for (std::size_t chunk = 0; chunk < chunks_.size(); ++chunk) {
    chunks_[chunk].streams.resize(places[chunk].inputs.size());
    chunks_[chunk].gradients.resize(places[chunk].gradients.size());
    chunks_[chunk].places = std::move(places[chunk]);
  }
}

template <class T>
void StageMessages<T>::begin(std::span<const Operation> operations) {
  inputs_.clear();
  returning_.clear();
  next_input_ = next_gradient_ = 0;
  for (const Operation& operation : operations) {
    const StagePlaces<T>& places = chunks_[operation.chunk].places;
    if (operation.pass == Pass::forward) {
      if (!places.first) inputs_.push_back(operation);
    } else if (operation.pass != Pass::backward_weight && !places.last) {
      returning_.push_back(operation);
    }
  }
  for (Chunk& chunk : chunks_) chunk.forwarded = chunk.released = 0;
  receive_inputs();
}

template <class T>
typename StageMessages<T>::Place& StageMessages<T>::stream(std::size_t chunk,
                                                           std::size_t micro_batch) {
  return chunks_[chunk].streams[micro_batch % chunks_[chunk].streams.size()];
}

template <class T>
typename StageMessages<T>::Place& StageMessages<T>::gradient(std::size_t chunk,
                                                             std::size_t micro_batch) {
  return chunks_[chunk].gradients[micro_batch % chunks_[chunk].gradients.size()];
}

// Inputs arrive in the order of the forward passes; each has its place when the slot is free.
template <class T>
void StageMessages<T>::receive_inputs() {
  for (; next_input_ < inputs_.size(); ++next_input_) {
    const auto& [pass, index, m] = inputs_[next_input_];
    const Chunk& chunk = chunks_[index];
    if (m >= chunk.released + chunk.streams.size()) return;
    T* place = chunk.places.inputs[m % chunk.places.inputs.size()];
    stream(index, m).receive =
        activations_.template start_receive<T>({place, size_(m)}, previous_rank());
  }
}

// Gradients arrive in the order of the backward passes. Their place is asked for before the
// activations that they answer are on their way, so that their sender never waits.
template <class T>
void StageMessages<T>::receive_gradients() {
  for (; next_gradient_ < returning_.size(); ++next_gradient_) {
    const auto& [pass, index, m] = returning_[next_gradient_];
    const Chunk& chunk = chunks_[index];
    if (m >= chunk.forwarded) return;
    Place& arriving = gradient(index, m);
    wait(arriving.send);
    T* place = chunk.places.gradients[m % chunk.places.gradients.size()];
    arriving.receive = gradients_.template start_receive<T>({place, size_(m)}, next_rank());
  }
}

template <class T>
void StageMessages<T>::wait(comm::Request& request) {
  const profile::Scope scope(profile_, profile::Region::pipeline);
  request.wait();
}

template <class T>
void StageMessages<T>::await_input(std::size_t chunk, std::size_t micro_batch) {
  wait(stream(chunk, micro_batch).receive);
  wait(stream(chunk, micro_batch).send);
}

template <class T>
T* StageMessages<T>::output(std::size_t chunk, std::size_t micro_batch) {
  const StagePlaces<T>& places = chunks_[chunk].places;
  return places.last ? nullptr : places.outputs[micro_batch % places.outputs.size()];
}

template <class T>
void StageMessages<T>::forwarded(std::size_t chunk, std::size_t micro_batch) {
  chunks_[chunk].forwarded = micro_batch + 1;
  receive_gradients();
  if (chunks_[chunk].places.last) return;
  stream(chunk, micro_batch).send = activations_.template start_send<T>(
      {output(chunk, micro_batch), size_(micro_batch)}, next_rank());
}

template <class T>
T* StageMessages<T>::await_gradient(std::size_t chunk, std::size_t micro_batch) {
  wait(gradient(chunk, micro_batch).receive);
  wait(gradient(chunk, micro_batch).send);
  const std::vector<T*>& places = chunks_[chunk].places.gradients;
  return places[micro_batch % places.size()];
}

template <class T>
void StageMessages<T>::send_gradient(std::size_t chunk, std::size_t micro_batch) {
  const StagePlaces<T>& places = chunks_[chunk].places;
  if (places.first) return;
  gradient(chunk, micro_batch).send = gradients_.template start_send<T>(
      {places.gradients[micro_batch % places.gradients.size()], size_(micro_batch)},
      previous_rank());
}

template <class T>
void StageMessages<T>::released(std::size_t chunk, std::size_t micro_batch) {
  chunks_[chunk].released = micro_batch + 1;
  receive_inputs();
}

template <class T>
void StageMessages<T>::end() {
  for (Chunk& chunk : chunks_) {
    for (Place& place : chunk.streams) wait(place.send);
    for (Place& place : chunk.gradients) wait(place.send);
  }
}

template class StageMessages<float>;
template class StageMessages<bf16>;

}  // namespace isoflop::train
