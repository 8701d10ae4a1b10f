#include "kernels/cpu/attention.hpp"

#include <Kokkos_Core.hpp>
#include <type_traits>

#include "kernels/cpu/attention_float.hpp"
#include "kernels/cpu/attention_flow.hpp"
#include "kernels/cpu/attention_tiles.hpp"
#include "kernels/kokkos/loops.hpp"

namespace isoflop::kernels::cpu {
namespace {

using Host = Kokkos::DefaultHostExecutionSpace;

/// Views of one sequence's heads in tensors of rows of tokens.
template <class T>
struct Views {
  const AttentionShape& shape;
  std::size_t sequence;

  template <class Q>
  HeadView<Q> in_qkv(Q* qkv, std::size_t head) const {
    const std::size_t stride = shape.qkv_width();
    return {qkv + sequence * shape.context * stride + head * shape.head_width, stride};
  }
  template <class Q>
  HeadView<Q> key(Q* qkv, std::size_t kv) const {
    return in_qkv(qkv, shape.heads + kv);
  }
  template <class Q>
  HeadView<Q> value(Q* qkv, std::size_t kv) const {
    return in_qkv(qkv, shape.heads + shape.kv_heads + kv);
  }
  template <class Q>
  HeadView<Q> in_out(Q* out, std::size_t head) const {
    const std::size_t stride = shape.out_width();
    return {out + sequence * shape.context * stride + head * shape.head_width, stride};
  }
  std::size_t lse(std::size_t head) const {
    return (sequence * shape.heads + head) * shape.context;
  }
};

std::size_t thread_count(const AttentionShape& shape) {
  return std::min<std::size_t>(static_cast<std::size_t>(Host().concurrency()),
                               shape.batch * shape.kv_heads);
}

template <class T>
using Engine = std::conditional_t<std::is_same_v<T, bf16>, TileEngine, FloatEngine>;

template <class Head>
HeadExtent extent_of(const AttentionShape& shape) {
  return {shape.context, shape.head_width, Head::Engine::kPadding};
}

/// Bytes that one thread's Head takes.
template <class Head>
std::size_t head_bytes(const AttentionShape& shape) {
  Arena counting;
  const Head head(counting, extent_of<Head>(shape));
  return counting.used();
}

/// Calls body(head, sequence, kv_head) for all key/value heads. A thread takes heads that lie side
/// by side: threads that write to one row of tokens by turns would wait for each other.
template <class Head, class Body>
void for_kv_heads(const char* name, const AttentionShape& shape, std::byte* workspace, Body body) {
  const std::size_t threads = thread_count(shape), bytes = head_bytes<Head>(shape);
  const auto work = [&](std::size_t thread) {
    Arena arena(workspace + thread * bytes);
    Head head(arena, extent_of<Head>(shape));
    const std::size_t items = shape.batch * shape.kv_heads;
    for (std::size_t item = items * thread / threads; item < items * (thread + 1) / threads;
         ++item) {
      body(head, item / shape.kv_heads, item % shape.kv_heads);
    }
  };
  Kokkos::parallel_for(kokkos::for_tools(name), Kokkos::RangePolicy<Host>(0, threads), work);
}

}  // namespace

template <class T>
std::size_t attention_workspace_bytes(const AttentionShape& shape) {
  return thread_count(shape) * std::max(head_bytes<ForwardHead<Engine<T>>>(shape),
                                        head_bytes<BackwardHead<Engine<T>>>(shape));
}

template <class T>
void attention_forward(const AttentionShape& shape, const T* qkv, T* out, float* lse,
                       std::byte* workspace) {
  using Head = ForwardHead<Engine<T>>;
  const std::size_t group = shape.heads / shape.kv_heads;
  for_kv_heads<Head>("isoflop::attention_forward", shape, workspace,
                     [&](Head& head, std::size_t sequence, std::size_t kv) {
                       const Views<T> views{shape, sequence};
                       head.set_keys(views.key(qkv, kv), views.value(qkv, kv));
                       for (std::size_t h = kv * group; h < (kv + 1) * group; ++h) {
                         head.run(views.in_qkv(qkv, h), views.in_out(out, h), lse + views.lse(h));
                       }
                     });
}

template <class T>
void attention_backward(const AttentionShape& shape, const T* qkv, const T* out, const float* lse,
                        const T* d_out, T* d_qkv, std::byte* workspace) {
  using Head = BackwardHead<Engine<T>>;
  const std::size_t group = shape.heads / shape.kv_heads;
  for_kv_heads<Head>("isoflop::attention_backward", shape, workspace,
                     [&](Head& head, std::size_t sequence, std::size_t kv) {
                       const Views<T> views{shape, sequence};
                       head.set_keys(views.key(qkv, kv), views.value(qkv, kv));
                       for (std::size_t h = kv * group; h < (kv + 1) * group; ++h) {
                         head.run(h == kv * group, views.in_qkv(qkv, h), views.in_out(out, h),
                                  views.in_out(d_out, h), lse + views.lse(h),
                                  views.in_qkv(d_qkv, h));
                       }
                       head.write_keys(views.key(d_qkv, kv), views.value(d_qkv, kv));
                     });
}

template std::size_t attention_workspace_bytes<float>(const AttentionShape&);
template std::size_t attention_workspace_bytes<bf16>(const AttentionShape&);
template void attention_forward(const AttentionShape&, const float*, float*, float*, std::byte*);
template void attention_forward(const AttentionShape&, const bf16*, bf16*, float*, std::byte*);
template void attention_backward(const AttentionShape&, const float*, const float*, const float*,
                                 const float*, float*, std::byte*);
template void attention_backward(const AttentionShape&, const bf16*, const bf16*, const float*,
                                 const bf16*, bf16*, std::byte*);

}  // namespace isoflop::kernels::cpu
