// Causal attention: GFLOP/s on the pairs that exist (2 products of T^2 / 2 a
// head forward, 5 backward), and their share of the fp32 peak of one core ("of_peak"), which is
// measured beside every case because neighbours on a shared machine slow both. Rotary embedding:
// GB/s of the queries and keys that it reads and writes, and their share of the memory's
// ("of_memory"; above 1 where a cache holds them).
//
//   OMP_NUM_THREADS=1 build/release/bin/attention_bench [--benchmark_filter=bf16]
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/api/attention.hpp"
#include "kernels/api/machine_peak.hpp"
#include "kernels/api/rope.hpp"

namespace isoflop::kernels {
namespace {

/// Operands of one shape, and what the kernels make of them.
template <class T>
struct Case {
  explicit Case(const AttentionShape& s)
      : shape(s),
        qkv(s.batch * s.context * s.qkv_width()),
        d_qkv(qkv.size()),
        out(s.batch * s.context * s.out_width()),
        d_out(out.size()),
        lse(s.batch * s.heads * s.context),
        table(s.context * s.head_width) {
    for (std::size_t k = 0; k < qkv.size(); ++k) qkv[k] = T(std::sin(static_cast<float>(k)));
    for (std::size_t k = 0; k < out.size(); ++k) d_out[k] = T(std::cos(static_cast<float>(k)));
    rope_table(stream, shape.context, shape.head_width, table.data());
  }

  void forward() { attention_forward(stream, shape, qkv.data(), out.data(), lse.data()); }
  void backward() {
    attention_backward(stream, shape, qkv.data(), out.data(), lse.data(), d_out.data(),
                       d_qkv.data());
  }
  void rope() { rope_forward(stream, shape, table.data(), qkv.data()); }
  /// That rope reads and writes: all queries and keys.
  double rope_bytes() const {
    return 2.0 * sizeof(T) *
           static_cast<double>(shape.batch * shape.context * (shape.heads + shape.kv_heads) *
                               shape.head_width);
  }
  /// FLOP of one product of all pairs.
  double product() const {
    return static_cast<double>(shape.batch * shape.heads) *
           static_cast<double>(shape.context * shape.context * shape.head_width);
  }

  device::Stream stream;
  AttentionShape shape;
  std::vector<T> qkv, d_qkv, out, d_out;
  std::vector<float> lse, table;
};

template <class Run>
void measure(benchmark::State& state, double flops, const Run& run) {
  run();
  const double before = measured_fp32_peak_gflops();
  for (auto _ : state) {
    run();
    benchmark::ClobberMemory();
  }
  const double peak = std::max(before, measured_fp32_peak_gflops());
  using benchmark::Counter;
  const double done = 1e-9 * flops * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = Counter(done, Counter::kIsRate);
  state.counters["of_peak"] = Counter(done / peak, Counter::kIsRate);
}

template <class T>
void add(const std::string& type, const AttentionShape& s) {
  const std::string shape = fmt::format("{}/B{}/T{}/H{}/K{}/d{}", type, s.batch, s.context, s.heads,
                                        s.kv_heads, s.head_width);
  benchmark::RegisterBenchmark(("forward/" + shape).c_str(), [s](benchmark::State& state) {
    Case<T> c(s);
    measure(state, 2 * c.product(), [&c] { c.forward(); });
  });
  benchmark::RegisterBenchmark(("backward/" + shape).c_str(), [s](benchmark::State& state) {
    Case<T> c(s);
    c.forward();
    measure(state, 5 * c.product(), [&c] { c.backward(); });
  });
  benchmark::RegisterBenchmark(("rope/" + shape).c_str(), [s](benchmark::State& state) {
    Case<T> c(s);
    c.rope();
    const double before = measured_bandwidth_gbs();
    for (auto _ : state) c.rope();
    const double bandwidth = std::max(before, measured_bandwidth_gbs());
    const double done = 1e-9 * c.rope_bytes() * static_cast<double>(state.iterations());
    using benchmark::Counter;
    state.counters["GB/s"] = Counter(done, Counter::kIsRate);
    state.counters["of_memory"] = Counter(done / bandwidth, Counter::kIsRate);
  });
}

}  // namespace
}  // namespace isoflop::kernels

int main(int argc, char** argv) {
  using namespace isoflop::kernels;
  const Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_disable_warnings(true));
  for (const AttentionShape& shape : {AttentionShape{32, 256, 4, 4, 64},
                                      {16, 512, 8, 8, 64},
                                      {32, 256, 2, 2, 32},
                                      {4, 1024, 12, 4, 64},
                                      {1, 2048, 4, 1, 128}}) {
    add<float>("fp32", shape);
    add<isoflop::bf16>("bf16", shape);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
