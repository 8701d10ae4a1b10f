// Speed of attention forward and backward, one line a shape: GFLOP a second of one core's time,
// counted on the causal half (2 products of 2 T^2/2 d forward, 5 backward), and its share of the
// core's float peak, measured in turns because neighbours on a shared machine slow both.
#include <fmt/format.h>
#include <immintrin.h>

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <ctime>
#include <vector>

#include "kernels/api/attention.hpp"
#include "kernels/api/rope.hpp"

namespace isoflop::kernels {
namespace {

/// Processor time of all threads.
template <class Work>
double seconds(Work work) {
  const std::clock_t start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// 16 independent chains of fused multiply-adds in registers.
__attribute__((target("avx512f"), noinline)) float run_chains(int steps, float input) {
  __m512 sums[16];
  for (int c = 0; c < 16; ++c) sums[c] = _mm512_set1_ps(static_cast<float>(c));
  const __m512 factor = _mm512_set1_ps(input);
  for (int step = 0; step < steps; ++step) {
#pragma GCC unroll 16
    for (int c = 0; c < 16; ++c) {
      sums[c] = _mm512_fmadd_ps(factor, factor, sums[c]);
    }
  }
  for (int c = 1; c < 16; ++c) sums[0] += sums[c];
  return sums[0][0];
}

double fma_gflops() {
  volatile float sink = 0.5f;
  const int steps = 400000;
  const double time = seconds([&] { sink = run_chains(steps, sink); });
  return 2.0 * 16 * 16 * steps / time * 1e-9;
}

template <class T>
void measure(const char* type, const AttentionShape& shape) {
  device::Stream stream;
  const std::size_t tokens = shape.batch * shape.context;
  std::vector<T> qkv(tokens * shape.qkv_width()), d_qkv(qkv.size());
  std::vector<T> out(tokens * shape.out_width()), d_out(out.size());
  std::vector<float> lse(tokens * shape.heads), table(shape.context * shape.head_width);
  for (std::size_t k = 0; k < qkv.size(); ++k) qkv[k] = T(std::sin(static_cast<float>(k)));
  for (std::size_t k = 0; k < out.size(); ++k) d_out[k] = T(std::cos(static_cast<float>(k)));
  rope_table(stream, shape.context, shape.head_width, table.data());

  double forward = INFINITY, backward = INFINITY, rope = INFINITY, peak = 0.0;
  for (int round = 0; round < 12; ++round) {
    peak = std::max(peak, fma_gflops());
    forward = std::min(forward, seconds([&] {
                         attention_forward(stream, shape, qkv.data(), out.data(), lse.data());
                       }));
    backward = std::min(backward, seconds([&] {
                          attention_backward(stream, shape, qkv.data(), out.data(), lse.data(),
                                             d_out.data(), d_qkv.data());
                        }));
    rope = std::min(rope, seconds([&] { rope_forward(stream, shape, table.data(), qkv.data()); }));
  }
  const double product = 1e-9 * shape.batch * shape.heads * shape.context * shape.context *
                         static_cast<double>(shape.head_width);
  const auto share = [&](double rate) { return 100.0 * rate / peak; };
  fmt::print("{} B{:<3} T{:<5} H{:<2} K{:<2} d{:<4}", type, shape.batch, shape.context, shape.heads,
             shape.kv_heads, shape.head_width);
  fmt::print(" forward {:6.1f} ({:3.0f} %) backward {:6.1f} ({:3.0f} %) both {:6.1f} ({:3.0f} %)",
             2 * product / forward, share(2 * product / forward), 5 * product / backward,
             share(5 * product / backward), 7 * product / (forward + backward),
             share(7 * product / (forward + backward)));
  fmt::print(" GFLOP/s, ms {:.2f} {:.2f}, rope {:.2f}, peak {:.0f}\n", 1e3 * forward,
             1e3 * backward, 1e3 * rope, peak);
}

}  // namespace
}  // namespace isoflop::kernels

int main() {
  using namespace isoflop::kernels;
  const Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_disable_warnings(true));
  for (const AttentionShape& shape : {AttentionShape{32, 256, 4, 4, 64},
                                      {16, 512, 8, 8, 64},
                                      {32, 256, 2, 2, 32},
                                      {4, 1024, 12, 4, 64},
                                      {1, 2048, 4, 1, 128}}) {
    measure<float>("fp32", shape);
    measure<isoflop::bf16>("bf16", shape);
  }
}
