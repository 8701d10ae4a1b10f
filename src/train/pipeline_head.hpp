// The output head of a pipeline. Its gradient has buffers of its own on the rank that computes it,
// where it cannot go straight to its place: a tied head's travels to the rank of the token
// embedding, which adds it once a virtual rank and gives the weights back after each update.
//
//   rank of the head:       head.open(v);  ... add to head.gradient(v) ...;  head.send(v);
//   rank of the embedding:  head.receive();  ...;  const float* gradient = head.arrived();
//   both:                   head.end();  ... update ...;  head.exchange_weights(own or null);
#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "device/arena.hpp"
#include "device/stream.hpp"
#include "profile/profile.hpp"
#include "train/layout.hpp"

namespace isoflop::train {

template <class T>
class PipelineHead {
 public:
  /// Collective over `world`. References must outlive the object.
  PipelineHead(const config::RunConfig& config, const Layout& layout, comm::Communicator& world,
               profile::Profile& profile);

  std::size_t size() const { return size_; }  // V d, or this rank's piece

  /// The head's weights [V, d] where they come from the embedding, else null.
  const T* weights() const { return buffers_.weights; }

  /// Where to add virtual rank v's gradient of the head [V, d]; null: straight to its place.
  float* gradient(std::size_t v) const {
    const auto& gradients = buffers_.gradients;
    return gradients.empty() ? nullptr : gradients[v % gradients.size()];
  }
  /// Makes it zero. Waits until the last one there has been sent.
  void open(std::size_t v);
  /// It is complete: sends it if it travels.
  void send(std::size_t v);

  /// Whether gradients arrive on this rank.
  bool receives() const { return buffers_.arrival != nullptr; }
  /// Gets ready for the next one.
  void receive();
  /// Waits for it.
  const float* arrived();

  /// Waits until everything that was sent has left its place.
  void end();

  /// The embedding has changed: `head` [V, d] of the rank that has it becomes weights().
  void exchange_weights(const T* head);

  static std::size_t memory_bytes(const config::RunConfig& config, const Layout& layout);

 private:
  struct Buffers {
    std::vector<float*> gradients;  // [V, d] each
    float* arrival = nullptr;       // [V, d]
    T* weights = nullptr;           // [V, d]
  };

  static Buffers lay_out(device::Arena& arena, const config::RunConfig& config,
                         const Layout& layout);
  void wait(comm::Request& request);
  int next_rank() const { return (ranks_.rank() + 1) % ranks_.size(); }
  int previous_rank() const { return (ranks_.rank() + ranks_.size() - 1) % ranks_.size(); }

  profile::Profile& profile_;
  device::Stream stream_;
  comm::Communicator ranks_;
  std::size_t size_;
  device::Arena arena_;
  Buffers buffers_;
  std::vector<comm::Request> sends_;  // of gradients
  comm::Request receive_;
};

}  // namespace isoflop::train
