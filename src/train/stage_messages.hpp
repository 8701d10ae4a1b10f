// What the stages of a pipeline pass on: the residual stream to the next stage, its gradient to the
// one before.
//
// Streams and gradients travel in two groups, so that each has its own order of messages. A message
// is received into its place as soon as the place is free; whoever sends has the message's memory
// until it is used again, which never waits for a pass that comes later. So the order of
// parallel/pipeline, which is free of deadlock where sending never waits, stays so.
//
//   messages.begin(operations);
//   forward:   messages.await_input(chunk, m);  ... compute output(chunk, m) ...
//              messages.forwarded(chunk, m);
//   backward:  T* d = messages.await_gradient(chunk, m);  ... d becomes the input's gradient ...
//              messages.send_gradient(chunk, m);
//   last use:  messages.released(chunk, m);
//   messages.end();
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "parallel/pipeline/schedule.hpp"
#include "profile/profile.hpp"

namespace isoflop::train {

/// Where the messages of one chunk lie, by micro-batch in turns; [M, d] each.
template <class T>
struct StagePlaces {
  bool first = false;         // of the model: nothing comes in, no gradient goes out
  bool last = false;          // of the model: nothing goes out, no gradient comes in
  std::vector<T*> inputs;     // as many as are in flight
  std::vector<T*> outputs;    // the same; none of the last stage
  std::vector<T*> gradients;  // one more, but in the first stage: one that is being sent stays out
                              // of the next one's way
};

template <class T>
class StageMessages {
 public:
  /// Elements of a micro-batch's stream.
  using Size = std::function<std::size_t(std::size_t micro_batch)>;

  /// `color`: what the ranks of this pipeline have in common. Collective over `world`.
  StageMessages(comm::Communicator& world, int color, std::vector<StagePlaces<T>> places, Size size,
                profile::Profile& profile);

  /// `operations` of this rank are about to run.
  void begin(std::span<const parallel::Operation> operations);

  /// Waits until a forward pass has its input, and room for its output.
  void await_input(std::size_t chunk, std::size_t micro_batch);
  T* output(std::size_t chunk, std::size_t micro_batch);
  /// The output is there: sends it.
  void forwarded(std::size_t chunk, std::size_t micro_batch);

  /// Waits for the gradient of a forward pass's output, or for room where nothing comes.
  T* await_gradient(std::size_t chunk, std::size_t micro_batch);
  /// It has become the gradient of the input: sends it.
  void send_gradient(std::size_t chunk, std::size_t micro_batch);

  /// Nothing needs the micro-batch's input any more.
  void released(std::size_t chunk, std::size_t micro_batch);

  /// Waits until everything that was sent has left its place.
  void end();

 private:
  // A place and the messages in it.
  struct Place {
    comm::Request receive;
    comm::Request send;
  };
  struct Chunk {
    StagePlaces<T> places;
    std::vector<Place> streams;  // [in flight]: the input's receive, the output's send
    std::vector<Place> gradients;
    std::size_t forwarded = 0;  // micro-batches whose forward pass is done
    std::size_t released = 0;   // micro-batches that need their place no more
  };

  Place& stream(std::size_t chunk, std::size_t micro_batch);
  Place& gradient(std::size_t chunk, std::size_t micro_batch);
  void receive_inputs();
  void receive_gradients();
  void wait(comm::Request& request);
  int next_rank() const { return (activations_.rank() + 1) % activations_.size(); }
  int previous_rank() const {
    return (activations_.rank() + activations_.size() - 1) % activations_.size();
  }

  comm::Communicator activations_, gradients_;
  std::vector<Chunk> chunks_;
  Size size_;
  profile::Profile& profile_;
  std::vector<parallel::Operation> inputs_, returning_;  // whose messages come in, in their order
  std::size_t next_input_ = 0, next_gradient_ = 0;
};

}  // namespace isoflop::train
