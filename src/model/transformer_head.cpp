// The head of a transformer: logits a chunk of rows at a time, their losses and gradients.
#include <algorithm>

#include "kernels/api/cross_entropy.hpp"
#include "kernels/api/optimizer.hpp"
#include "model/transformer.hpp"

namespace isoflop::model {

using profile::Region;
using profile::Scope;

template <class T>
const T* Transformer<T>::head_of(const Weights<T>& weights) const {
  return weights.head != nullptr ? weights.head : weights.store->head_weights() + head_in_part();
}

template <class T>
double Transformer<T>::sum_losses(std::size_t count) {
  kernels::block_sums(stream_, count, act_.losses, block_sums_.data());
  double total = 0.0;
  for (std::size_t block = 0; block * kernels::kSumBlock < count; ++block)
    total += block_sums_[block];
  return total;
}

// Losses of a chunk of logits, which are lost, and their gradient.
template <class T>
void Transformer<T>::lose(std::size_t rows, const std::int32_t* targets, float* losses,
                          bool with_gradient) {
  const auto [ranks, rank] = table_.split();
  const std::size_t first = held_.vocabulary.begin, count = held_.vocabulary.size();
  if (ranks == 1) {
    const Scope scope(profile_, Region::loss);
    if (with_gradient) {
      kernels::cross_entropy_backward(stream_, rows, count, act_.logits, targets, 1.0f, losses,
                                      act_.d_logits);
    } else {
      kernels::cross_entropy_forward(stream_, rows, count, act_.logits, targets, losses);
    }
    return;
  }
  const std::span<kernels::SoftmaxPiece> all(act_.softmax, ranks * rows);
  const std::span<kernels::SoftmaxPiece> mine(all.data() + rank * rows, rows);
  kernels::SoftmaxPiece* whole = all.data() + all.size();
  {
    const Scope scope(profile_, Region::loss);
    kernels::cross_entropy_piece(stream_, rows, first, count, act_.logits, targets, mine.data());
  }
  rows_.template gather_values<kernels::SoftmaxPiece>(mine, all);
  const Scope scope(profile_, Region::loss);
  kernels::cross_entropy_join(stream_, rows, ranks, all.data(), whole, losses);
  if (with_gradient)
    kernels::cross_entropy_piece_gradient(stream_, rows, first, count, act_.logits, targets,
                                          mine.data(), whole, 1.0f, act_.d_logits);
}

template <class T>
double Transformer<T>::evaluate(const Weights<T>& weights, std::size_t slot,
                                const MicroBatch& batch) {
  store_ = weights.store;
  const std::size_t d = config_.width, vocabulary = held_.vocabulary.size();
  const std::size_t m = batch.targets.size();
  const std::size_t chunk = head_chunk_rows(config_, table_.split(), m);
  const T* head = head_of(weights);
  const T* normed = rows_.gather(act_.in_flight[slot].normed_final, stream_of(batch.sequences));
  for (std::size_t row = 0; row < m; row += chunk) {
    const std::size_t rows = std::min(chunk, m - row);
    project(rows, vocabulary, d, normed + row * d, head, act_.logits);
    lose(rows, batch.targets.data() + row, act_.losses + row, false);
  }
  return sum_losses(m);
}

// The head's forward and backward products run together, chunk by chunk, since the loss is a plain
// sum over rows.
template <class T>
double Transformer<T>::head_and_its_gradient(const Weights<T>& weights, std::size_t slot,
                                             const MicroBatch& batch, T* d_normed,
                                             float* head_gradient) {
  const std::size_t d = config_.width, vocabulary = held_.vocabulary.size();
  const std::size_t m = batch.targets.size(), stream = stream_of(batch.sequences);
  const std::size_t chunk = head_chunk_rows(config_, table_.split(), m);
  const T* head = head_of(weights);
  const T* all_normed = rows_.gather(act_.in_flight[slot].normed_final, stream);
  for (std::size_t row = 0; row < m; row += chunk) {
    const std::size_t rows = std::min(chunk, m - row);
    const T* normed = all_normed + row * d;
    project(rows, vocabulary, d, normed, head, act_.logits);
    lose(rows, batch.targets.data() + row, act_.losses + row, true);
    project_weights_back(rows, vocabulary, d, act_.d_logits, normed, head_gradient);
    project_back(rows, vocabulary, d, act_.d_logits, head, rows_.partial(d_normed) + row * d);
  }
  rows_.sum(d_normed, stream);
  return sum_losses(m);
}

template class Transformer<float>;
template class Transformer<bf16>;

}  // namespace isoflop::model
