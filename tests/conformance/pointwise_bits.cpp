#include <string>

#include "kernel_bits.hpp"
#include "kernels/api/activation.hpp"
#include "kernels/api/cross_entropy.hpp"
#include "kernels/api/embedding.hpp"
#include "kernels/api/norm.hpp"
#include "kernels/api/optimizer.hpp"

namespace isoflop::conformance {
namespace {

using namespace kernels;

template <class T>
void norm_bits(device::Stream& stream, NormKind kind) {
  const NormShape shape{200, 83, kind};
  const std::size_t count = shape.rows * shape.width;
  const bool layer = kind == NormKind::layer;
  const auto x = numbers<T>(count, 1), delta = numbers<T>(count, 2);
  const auto gain = numbers<T>(shape.width, 3), bias = numbers<T>(shape.width, 4);
  const auto dy = numbers<T>(count, 5), residual = numbers<T>(count, 6);
  std::vector<T> sum(count), y(count), dx(count);
  std::vector<float> statistics(2 * shape.rows), d_gain(shape.width), d_bias(shape.width);
  norm_forward(stream, shape, x.data(), delta.data(), gain.data(), layer ? bias.data() : nullptr,
               sum.data(), y.data(), statistics.data());
  norm_backward(stream, shape, sum.data(), gain.data(), statistics.data(), dy.data(),
                residual.data(), dx.data(), d_gain.data(), layer ? d_bias.data() : nullptr);
  const std::string name = layer ? "layer_norm" : "rms_norm";
  print_bits(name + "_forward", type_name<T>(), sum, y, statistics);
  print_bits(name + "_backward", type_name<T>(), dx, d_gain, d_bias);
}

template <class T>
void activation_bits(device::Stream& stream) {
  const std::size_t rows = 31, width = 301, count = rows * width;
  const auto x = numbers<T>(2 * count, 1), dy = numbers<T>(count, 2);
  std::vector<T> y(count), dx(2 * count);
  gelu_forward(stream, count, x.data(), y.data());
  print_bits("gelu_forward", type_name<T>(), y);
  gelu_backward(stream, count, x.data(), dy.data(), y.data());
  print_bits("gelu_backward", type_name<T>(), y);
  swiglu_forward(stream, rows, width, x.data(), y.data());
  print_bits("swiglu_forward", type_name<T>(), y);
  swiglu_backward(stream, rows, width, x.data(), dy.data(), dx.data());
  print_bits("swiglu_backward", type_name<T>(), dx);
}

template <class T>
void embedding_bits(device::Stream& stream) {
  const EmbeddingShape shape{4, 37, 45};
  const std::size_t tokens = shape.batch * shape.context, vocabulary = 19;
  std::vector<std::int32_t> ids(tokens);
  RandomStream random(2, Purpose::test);
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random.next_below(vocabulary));
  const auto table = numbers<T>(vocabulary * shape.width, 1);
  const auto positions = numbers<T>(shape.context * shape.width, 2);
  std::vector<T> x(tokens * shape.width);
  std::vector<float> d_table(table.size()), d_positions(positions.size());
  embedding_forward(stream, shape, ids.data(), table.data(), positions.data(), x.data());
  print_bits("embedding_forward", type_name<T>(), x);
  embedding_backward(stream, shape, ids.data(), x.data(), d_table.data(), d_positions.data());
  print_bits("embedding_backward", type_name<T>(), d_table, d_positions);
}

template <class T>
void cross_entropy_bits(device::Stream& stream) {
  const std::size_t rows = 9, vocabulary = 5003;
  auto logits = numbers<float>(rows * vocabulary, 1);
  const std::vector<std::int32_t> targets{0, 1, 2, 15, 16, 17, 1024, 5002, 77};
  std::vector<float> losses(rows);
  std::vector<T> gradient(logits.size());
  cross_entropy_backward(stream, rows, vocabulary, logits.data(), targets.data(), 0.3f,
                         losses.data(), gradient.data());
  print_bits("cross_entropy", type_name<T>(), losses, gradient);
}

template <class T>
void flat_bits(device::Stream& stream) {
  const std::size_t count = 20011, blocks = (count + kSumBlock - 1) / kSumBlock;
  const auto gradient = numbers<float>(count, 1);
  std::vector<float> master(count), first = numbers<float>(count, 3), second(count);
  fill_normal(stream, count, 7, Purpose::weights, 2, 13, 0.02f, master.data());
  print_bits("fill_normal", "fp32", master);
  std::vector<T> weights(count);
  convert(stream, count, gradient.data(), weights.data());
  print_bits("convert", type_name<T>(), weights);
  adamw_step(stream, count, {1e-3f, 0.9f, 0.95f, 1e-8f, 0.1f, 0.1f, 0.05f, 0.7f}, gradient.data(),
             master.data(), first.data(), second.data(), weights.data());
  print_bits("adamw_step", type_name<T>(), master, first, second, weights);
  std::vector<double> sums(blocks), squares(blocks);
  block_sums(stream, count, gradient.data(), sums.data());
  block_sums_of_squares(stream, count, gradient.data(), squares.data());
  print_bits("block_sums", "fp64", sums, squares);
}

template <class T>
void all_bits(device::Stream& stream) {
  norm_bits<T>(stream, NormKind::rms);
  norm_bits<T>(stream, NormKind::layer);
  activation_bits<T>(stream);
  embedding_bits<T>(stream);
  cross_entropy_bits<T>(stream);
  flat_bits<T>(stream);
}

}  // namespace

void print_pointwise_bits() {
  device::Stream stream;
  all_bits<float>(stream);
  all_bits<bf16>(stream);
}

}  // namespace isoflop::conformance
