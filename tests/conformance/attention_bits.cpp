#include "kernel_bits.hpp"
#include "kernels/api/attention.hpp"
#include "kernels/api/rope.hpp"

namespace isoflop::conformance {
namespace {

using namespace kernels;

template <class T>
void attention_bits(device::Stream& stream, const AttentionShape& shape) {
  const std::size_t tokens = shape.batch * shape.context;
  auto qkv = numbers<T>(tokens * shape.qkv_width(), 1);
  const auto d_out = numbers<T>(tokens * shape.out_width(), 2);
  std::vector<float> table(shape.context * shape.head_width), lse(tokens * shape.heads);
  std::vector<T> out(d_out.size()), d_qkv(qkv.size());

  rope_table(stream, shape.context, shape.head_width, table.data());
  rope_forward(stream, shape, table.data(), qkv.data());
  print_bits("rope_forward", type_name<T>(), table, qkv);
  attention_forward(stream, shape, qkv.data(), out.data(), lse.data());
  print_bits("attention_forward", type_name<T>(), out, lse);
  attention_backward(stream, shape, qkv.data(), out.data(), lse.data(), d_out.data(), d_qkv.data());
  print_bits("attention_backward", type_name<T>(), d_qkv);
  rope_backward(stream, shape, table.data(), d_qkv.data());
  print_bits("rope_backward", type_name<T>(), d_qkv);
}

}  // namespace

void print_attention_bits() {
  device::Stream stream;
  for (const AttentionShape& shape : {AttentionShape{3, 150, 4, 2, 22}, {1, 65, 2, 2, 64}}) {
    attention_bits<float>(stream, shape);
    attention_bits<bf16>(stream, shape);
  }
}

}  // namespace isoflop::conformance
