#include "train/pipeline_head.hpp"

#include "core/bf16.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::train {
namespace {

using profile::Region;
using profile::Scope;

std::size_t size_of(const config::RunConfig& config, const Layout& layout) {
  return layout.split.share(config.model.vocabulary).size() * config.model.width;
}

}  // namespace

template <class T>
typename PipelineHead<T>::Buffers PipelineHead<T>::lay_out(device::Arena& arena,
                                                           const config::RunConfig& config,
                                                           const Layout& layout) {
  const std::size_t size = size_of(config, layout);
  Buffers buffers;
  for (std::size_t i = 0; i < layout.head_buffers; ++i)
    buffers.gradients.push_back(arena.take<float>(size));
  if (!config.model.tied || layout.shape.ranks == 1) return buffers;
  if (layout.stages.front().embedding) buffers.arrival = arena.take<float>(size);
  if (layout.stages.back().head) buffers.weights = arena.take<T>(size);
  return buffers;
}

template <class T>
std::size_t PipelineHead<T>::memory_bytes(const config::RunConfig& config, const Layout& layout) {
  device::Arena counting;
  lay_out(counting, config, layout);
  return counting.used();
}

template <class T>
PipelineHead<T>::PipelineHead(const config::RunConfig& config, const Layout& layout,
                              comm::Communicator& world, profile::Profile& profile)
    : profile_(profile),
      ranks_(world.group("heads", layout.mesh.color(layout.rank, parallel::Axis::pipeline))),
      size_(size_of(config, layout)),
      arena_(memory_bytes(config, layout)),
      buffers_(lay_out(arena_, config, layout)),
      sends_(buffers_.gradients.size()) {}

template <class T>
void PipelineHead<T>::wait(comm::Request& request) {
  const Scope scope(profile_, Region::pipeline);
  request.wait();
}

template <class T>
void PipelineHead<T>::open(std::size_t v) {
  if (sends_.empty()) return;
  wait(sends_[v % sends_.size()]);
  const Scope scope(profile_, Region::zero);
  kernels::fill(stream_, size_, 0.0f, gradient(v));
}

template <class T>
void PipelineHead<T>::send(std::size_t v) {
  if (buffers_.weights == nullptr) return;
  sends_[v % sends_.size()] = ranks_.template start_send<float>({gradient(v), size_}, next_rank());
}

template <class T>
void PipelineHead<T>::receive() {
  receive_ = ranks_.template start_receive<float>({buffers_.arrival, size_}, previous_rank());
}

template <class T>
const float* PipelineHead<T>::arrived() {
  wait(receive_);
  return buffers_.arrival;
}

template <class T>
void PipelineHead<T>::end() {
  for (comm::Request& request : sends_) wait(request);
}

template <class T>
void PipelineHead<T>::exchange_weights(const T* head) {
  const Scope scope(profile_, Region::pipeline);
  if (buffers_.arrival != nullptr) ranks_.template send<T>({head, size_}, previous_rank());
  if (buffers_.weights != nullptr)
    ranks_.template receive<T>({buffers_.weights, size_}, next_rank());
}

template class PipelineHead<float>;
template class PipelineHead<bf16>;

}  // namespace isoflop::train
