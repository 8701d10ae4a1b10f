#include "model/transformer.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "kernels/api/attention.hpp"
#include "kernels/api/matmul.hpp"
#include "kernels/api/norm.hpp"
#include "kernels/api/optimizer.hpp"
#include "kernels/api/rope.hpp"

namespace isoflop::model {
namespace {

using profile::Region;
using profile::Scope;

template <class T>
std::size_t workspace_bytes(const ModelConfig& c, const Split& split, const Stage& stage,
                            std::size_t batch) {
  const HeldSizes held = held_sizes(c, split);
  const std::size_t m = batch * c.context;
  const kernels::NormShape norm{m / split.ranks, c.width, c.norm};
  std::size_t bytes = 0;
  if (stage.head) {
    const std::size_t vocabulary = held.vocabulary.size();
    bytes = std::max(
        {bytes,
         kernels::matmul_workspace_bytes<T>({head_chunk_rows(c, split, m), vocabulary, c.width}),
         kernels::norm_workspace_bytes(norm)});
  }
  if (stage.blocks.size() > 0) {
    bytes = std::max({bytes, kernels::matmul_workspace_bytes<T>({m, held.qkv_width(), c.width}),
                      kernels::matmul_workspace_bytes<T>({m, c.width, held.attended_width()}),
                      kernels::matmul_workspace_bytes<T>({m, held.up_width, c.width}),
                      kernels::matmul_workspace_bytes<T>({m, c.width, held.feed_forward}),
                      kernels::attention_workspace_bytes<T>(held.attention_shape(batch, c.context)),
                      kernels::norm_workspace_bytes(norm)});
  }
  return bytes;
}

float* lay_out_rope_table(device::Arena& arena, const ModelConfig& c) {
  return c.position == Position::rope ? arena.take<float>(c.context * c.head_width()) : nullptr;
}

template <class T>
std::size_t arena_bytes(const ModelConfig& config, const Split& split, const Stage& stage,
                        const Room& room, Mode mode) {
  device::Arena counting;
  lay_out_activations<T>(counting, config, split, stage, room, mode);
  lay_out_rope_table(counting, config);
  return counting.used();
}

Split split_of(const comm::Communicator* tensor) {
  if (tensor == nullptr) return {};
  return {static_cast<std::size_t>(tensor->size()), static_cast<std::size_t>(tensor->rank())};
}

}  // namespace

template <class T>
Transformer<T>::Transformer(const ModelConfig& config, const Stage& stage, const Room& room,
                            Mode mode, profile::Profile& profile, comm::Communicator* tensor)
    : config_(config),
      table_(config, split_of(tensor)),
      held_(held_sizes(config, table_.split())),
      stage_(stage),
      first_element_(elements_of(table_, stage).begin),
      room_(room),
      mode_(mode),
      profile_(profile),
      arena_(arena_bytes<T>(config, table_.split(), stage, room, mode)),
      act_(lay_out_activations<T>(arena_, config, table_.split(), stage, room, mode)),
      rows_(tensor, {act_.gathered, act_.partial}, profile),
      rope_table_(lay_out_rope_table(arena_, config)),
      block_sums_((room.batch * config.context + kernels::kSumBlock - 1) / kernels::kSumBlock) {
  ISOFLOP_EXPECT(room.put_off == 0 || room.recompute == Recompute::none);
  stream_.workspace(workspace_bytes<T>(config, table_.split(), stage, room.batch));
  if (rope_table_ != nullptr)
    kernels::rope_table(stream_, config.context, config.head_width(), rope_table_);
  if (act_.head_gradient != nullptr && config.tied)
    kernels::fill(stream_, held_.vocabulary.size() * config.width, 0.0f, act_.head_gradient);
}

template <class T>
std::size_t Transformer<T>::memory_bytes() const {
  return arena_.used() + stream_.workspace_bytes();
}

template <class T>
std::size_t Transformer<T>::memory_bytes(const ModelConfig& config, const Stage& stage,
                                         const Room& room, Mode mode, const Split& split) {
  return arena_bytes<T>(config, split, stage, room, mode) +
         workspace_bytes<T>(config, split, stage, room.batch);
}

template <class T>
T* Transformer<T>::input(std::size_t slot) {
  const auto& kept = act_.in_flight[slot];
  return kept.blocks.empty() ? kept.x_final : kept.blocks.front().x;
}

template <class T>
const T* Transformer<T>::part_of(const Weights<T>& weights, std::size_t part, Pass pass) const {
  if (weights.elements == nullptr) return weights.store->weights(part, pass);
  return weights.elements + (table_.parts()[part].begin - first_element_);
}

template <class T>
float* Transformer<T>::part_of(const Weights<T>& weights, const Gradient& gradient,
                               std::size_t part) const {
  if (gradient.elements == nullptr) return weights.store->gradient(part);
  return gradient.elements + (table_.parts()[part].begin - first_element_);
}

template <class T>
void Transformer<T>::complete(const Weights<T>& weights, std::size_t part) const {
  if (weights.store != nullptr) weights.store->complete(part);
}

template <class T>
void Transformer<T>::embed(const Weights<T>& weights, const MicroBatch& batch, T* x) {
  const T* tables = part_of(weights, 0, Pass::forward);
  const bool learned = config_.position == Position::learned;
  {
    const Scope scope(profile_, Region::embedding);
    kernels::embedding_forward(stream_, embedding_shape(batch.sequences), batch.tokens.data(),
                               tables + table_.token_embedding(),
                               learned ? tables + table_.position_embedding() : nullptr,
                               rows_.partial(x));
  }
  rows_.sum(x, stream_of(batch.sequences));
}

template <class T>
kernels::EmbeddingShape Transformer<T>::embedding_shape(std::size_t sequences) const {
  return {.batch = sequences,
          .context = config_.context,
          .width = config_.width,
          .vocabulary = {held_.vocabulary.begin, held_.vocabulary.size()},
          .positions = {held_.positions.begin, held_.positions.size()}};
}

template <class T>
void Transformer<T>::forward(const Weights<T>& weights, std::size_t slot, const MicroBatch& batch,
                             T* output) {
  ISOFLOP_EXPECT(batch.sequences >= 1 && batch.sequences <= room_.batch);
  store_ = weights.store;
  const auto& kept = act_.in_flight[slot];
  const std::size_t m = rows_of(batch.sequences);
  const bool only_embedding = kept.blocks.empty() && !stage_.head;
  first_of_blocks_ = kAllFinite;
  if (stage_.embedding) embed(weights, batch, only_embedding ? output : input(slot));
  for (std::size_t i = 0; i < kept.blocks.size(); ++i) {
    const Block& block = kept.blocks[i];
    const T* before = i == 0 ? block.x : kept.blocks[i - 1].x_middle;
    const T* part = part_of(weights, part_of_block(i), Pass::forward);
    add_and_norm(part, table_.block().attention_norm, m, before, i == 0 ? nullptr : act_.branch,
                 block.x, block.normed, block.statistics);
    forward_block(part, batch.sequences, block);
    if (watches_ && first_of_blocks_ == kAllFinite)
      first_of_blocks_ = first_non_finite_of_block(i, slot, batch.sequences);
  }
  if (stage_.head) {
    const bool alone = kept.blocks.empty();
    add_and_norm(part_of(weights, table_.last_part(), Pass::forward), table_.final_norm(), m,
                 alone ? kept.x_final : kept.blocks.back().x_middle, alone ? nullptr : act_.branch,
                 kept.x_final, kept.normed_final, kept.statistics_final);
  } else if (!only_embedding) {
    const Scope scope(profile_, Region::norm);
    kernels::add(stream_, m * config_.width, kept.blocks.back().x_middle, act_.branch, output);
  }
}

template <class T>
void Transformer<T>::embedding_gradient(const MicroBatch& batch, const T* d_stream,
                                        float* gradient) {
  const T* all = rows_.gather(d_stream, stream_of(batch.sequences));
  const Scope scope(profile_, Region::embedding);
  kernels::embedding_backward(
      stream_, embedding_shape(batch.sequences), batch.tokens.data(), all,
      gradient + table_.token_embedding(),
      config_.position == Position::learned ? gradient + table_.position_embedding() : nullptr);
}

template <class T>
double Transformer<T>::backward(const Weights<T>& weights, std::size_t slot,
                                const MicroBatch& batch, T* d_stream, const Gradient& gradient) {
  ISOFLOP_EXPECT(mode_ == Mode::training && room_.put_off == 0);
  store_ = weights.store;
  const auto& kept = act_.in_flight[slot];
  double loss = 0.0;
  if (stage_.head) {
    const T* part = part_of(weights, table_.last_part(), Pass::backward);
    float* part_gradient = part_of(weights, gradient, table_.last_part());
    float* head = gradient.head != nullptr ? gradient.head : part_gradient + head_in_part();
    loss = head_and_its_gradient(weights, slot, batch, act_.d_normed, head);
    norm_back(part, table_.final_norm(), rows_of(batch.sequences), kept.x_final,
              kept.statistics_final, act_.d_normed, nullptr, d_stream, part_gradient,
              WeightGradients::now);
    complete(weights, table_.last_part());
  }
  T* d_up = config_.activation == Activation::gelu ? act_.d_inner : act_.d_wide;
  const Gradients shared{d_stream, d_up, act_.d_normed, d_stream, act_.d_wide, act_.d_normed};
  for (std::size_t i = kept.blocks.size(); i-- > 0;) {
    const T* part = part_of(weights, part_of_block(i), Pass::backward);
    recompute_block(part, batch.sequences, kept.blocks[i]);
    backward_block(part, batch.sequences, kept.blocks[i], shared, d_stream,
                   part_of(weights, gradient, part_of_block(i)), WeightGradients::now);
    complete(weights, part_of_block(i));
  }
  if (stage_.embedding) embedding_gradient(batch, d_stream, part_of(weights, gradient, 0));
  return loss;
}

template <class T>
double Transformer<T>::backward_input(const Weights<T>& weights, std::size_t slot,
                                      std::size_t later, const MicroBatch& batch, T* d_stream,
                                      const Gradient& gradient) {
  ISOFLOP_EXPECT(mode_ == Mode::training && later < room_.put_off);
  store_ = weights.store;
  const auto& kept = act_.in_flight[slot];
  const PutOff& put_off = act_.put_off[later];
  double loss = 0.0;
  if (stage_.head) {
    ISOFLOP_EXPECT(gradient.head != nullptr);
    loss = head_and_its_gradient(weights, slot, batch, put_off.normed_final, gradient.head);
    norm_back(part_of(weights, table_.last_part(), Pass::backward), table_.final_norm(),
              rows_of(batch.sequences), kept.x_final, kept.statistics_final, put_off.normed_final,
              nullptr, d_stream, nullptr, WeightGradients::later);
  }
  if (!kept.blocks.empty())
    std::copy_n(d_stream, stream_of(batch.sequences), put_off.blocks.back().down);
  for (std::size_t i = kept.blocks.size(); i-- > 0;)
    backward_block(part_of(weights, part_of_block(i), Pass::backward), batch.sequences,
                   kept.blocks[i], put_off.blocks[i],
                   i == 0 ? d_stream : put_off.blocks[i - 1].down, nullptr, WeightGradients::later);
  if (stage_.embedding) embedding_gradient(batch, d_stream, part_of(weights, gradient, 0));
  return loss;
}

template <class T>
void Transformer<T>::backward_weight(const Weights<T>& weights, std::size_t slot, std::size_t later,
                                     std::size_t sequences, const Gradient& gradient) {
  store_ = weights.store;
  const auto& kept = act_.in_flight[slot];
  const PutOff& put_off = act_.put_off[later];
  if (stage_.head) {
    norm_weights_back(part_of(weights, table_.last_part(), Pass::backward), table_.final_norm(),
                      rows_of(sequences), kept.x_final, kept.statistics_final, put_off.normed_final,
                      part_of(weights, gradient, table_.last_part()));
    complete(weights, table_.last_part());
  }
  for (std::size_t i = kept.blocks.size(); i-- > 0;) {
    block_weight_gradients(part_of(weights, part_of_block(i), Pass::backward), sequences,
                           kept.blocks[i], put_off.blocks[i],
                           part_of(weights, gradient, part_of_block(i)));
    complete(weights, part_of_block(i));
  }
}

template <class T>
double Transformer<T>::train_batch(const T* weights, std::span<const std::int32_t> tokens,
                                   std::span<const std::int32_t> targets, float* gradient) {
  ISOFLOP_EXPECT(stage_ == whole_model(config_));
  const MicroBatch batch{tokens.size() / config_.context, tokens, targets};
  forward(whole(weights), 0, batch, nullptr);
  return backward(whole(weights), 0, batch, act_.d_stream,
                  {gradient, config_.tied ? act_.head_gradient : nullptr});
}

template <class T>
double Transformer<T>::train_batch(PartStore<T>& store, std::span<const std::int32_t> tokens,
                                   std::span<const std::int32_t> targets) {
  ISOFLOP_EXPECT(stage_ == whole_model(config_));
  const MicroBatch batch{tokens.size() / config_.context, tokens, targets};
  const Weights<T> weights{nullptr, nullptr, &store};
  forward(weights, 0, batch, nullptr);
  return backward(weights, 0, batch, act_.d_stream,
                  {nullptr, config_.tied ? act_.head_gradient : nullptr});
}

template <class T>
void Transformer<T>::follow_batch(PartStore<T>& store, Mode mode) {
  for (std::size_t part = 0; part <= table_.last_part(); ++part) store.weights(part, Pass::forward);
  store.head_weights();
  for (std::size_t part = table_.last_part(); part > 0 && mode == Mode::training; --part) {
    store.weights(part, Pass::backward);
    store.complete(part);
  }
}

template <class T>
void Transformer<T>::close_gradient(float* gradient) {
  if (!config_.tied) return;
  const Scope scope(profile_, Region::reduce);
  const std::size_t count = held_.vocabulary.size() * config_.width;
  kernels::add_in_place(stream_, count, act_.head_gradient, gradient + table_.token_embedding());
  kernels::fill(stream_, count, 0.0f, act_.head_gradient);
}

template <class T>
double Transformer<T>::evaluate_batch(const T* weights, std::span<const std::int32_t> tokens,
                                      std::span<const std::int32_t> targets) {
  const MicroBatch batch{tokens.size() / config_.context, tokens, targets};
  forward(whole(weights), 0, batch, nullptr);
  return evaluate(whole(weights), 0, batch);
}

template <class T>
double Transformer<T>::evaluate_batch(PartStore<T>& store, std::span<const std::int32_t> tokens,
                                      std::span<const std::int32_t> targets) {
  const MicroBatch batch{tokens.size() / config_.context, tokens, targets};
  const Weights<T> weights{nullptr, nullptr, &store};
  forward(weights, 0, batch, nullptr);
  return evaluate(weights, 0, batch);
}

template class Transformer<float>;
template class Transformer<bf16>;

}  // namespace isoflop::model
