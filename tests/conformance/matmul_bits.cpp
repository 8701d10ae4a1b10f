// The products choose their instruction set by themselves, whatever the level of the library: here
// threads count. matmul_test.cpp compares the instruction sets.
#include "kernel_bits.hpp"
#include "kernels/api/matmul.hpp"

namespace isoflop::conformance {
namespace {

using namespace kernels;

template <class T>
void matmul_bits(device::Stream& stream, MatmulShape s) {
  const auto x = numbers<T>(s.m * s.k, 1), w = numbers<T>(s.n * s.k, 2);
  const auto dy = numbers<T>(s.m * s.n, 3);
  std::vector<T> y(s.m * s.n), dx(s.m * s.k);
  std::vector<float> logits(s.m * s.n);
  auto dw = numbers<float>(s.n * s.k, 4);
  matmul_forward(stream, s, x.data(), w.data(), y.data());
  matmul_forward(stream, s, x.data(), w.data(), logits.data());
  print_bits("matmul_forward", type_name<T>(), y, logits);
  matmul_data_gradient(stream, s, dy.data(), w.data(), dx.data());
  print_bits("matmul_data_gradient", type_name<T>(), dx);
  matmul_weight_gradient(stream, s, dy.data(), x.data(), dw.data());
  print_bits("matmul_weight_gradient", type_name<T>(), dw);
}

}  // namespace

void print_matmul_bits() {
  device::Stream stream;
  for (const MatmulShape shape : {MatmulShape{700, 192, 64}, {601, 77, 131}}) {
    matmul_bits<float>(stream, shape);
    matmul_bits<bf16>(stream, shape);
  }
}

}  // namespace isoflop::conformance
