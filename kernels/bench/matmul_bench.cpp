// The three products of a linear layer, own kernels and, where it is there, oneDNN (fp32) in turn:
// time, GFLOP/s and share of one thread's measured peak in the format (run with
// OMP_NUM_THREADS=1).
//
//   build/release/bin/matmul_bench [--benchmark_filter='forward/bf16']
//
// Cost model: 2 M N K FLOP a product; packing included, as weights change every step. Rates count
// processor time, so that neighbours on a shared machine disturb less.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <Kokkos_Core.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/api/machine_peak.hpp"
#include "kernels/bench/onednn_product.hpp"
#include "kernels/cpu/matmul.hpp"

namespace isoflop::kernels {
namespace {

using bench::Pass;
using cpu::InstructionSet;

const char* name(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "forward";
    case Pass::data_gradient:
      return "data_gradient";
    case Pass::weight_gradient:
      return "weight_gradient";
  }
  return "";
}

template <class T>
std::vector<T> numbers(std::size_t count) {
  std::vector<T> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = T(float(i * 37 % 101) * 0.03f - 1.5f);
  return result;
}

void report(benchmark::State& state, MatmulShape s, double peak_gflops) {
  const double gflop = 2e-9 * double(s.m) * double(s.n) * double(s.k);
  using Counter = benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(gflop, Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = Counter(gflop / peak_gflops, Counter::kIsIterationInvariantRate);
}

/// Otherwise bf16 is multiplied as fp32.
bool multiplies_bf16(InstructionSet set) { return set >= InstructionSet::avx512_bf16; }

template <class T>
void measure_own(benchmark::State& state, InstructionSet set, Pass pass, MatmulShape s) {
  device::Stream stream;
  auto x = numbers<T>(s.m * s.k), w = numbers<T>(s.n * s.k), y = numbers<T>(s.m * s.n);
  std::vector<float> dw(s.n * s.k);
  const bool own_unit = std::is_same_v<T, bf16> && multiplies_bf16(set);
  const double peak = own_unit ? measured_bf16_peak_gflops() : measured_fp32_peak_gflops();
  for (auto _ : state) {
    switch (pass) {
      case Pass::forward:
        cpu::matmul_forward(set, stream, s, x.data(), w.data(), y.data());
        break;
      case Pass::data_gradient:
        cpu::matmul_data_gradient(set, stream, s, y.data(), w.data(), x.data());
        break;
      case Pass::weight_gradient:
        cpu::matmul_weight_gradient(set, stream, s, y.data(), x.data(), dw.data());
        break;
    }
  }
  report(state, s, peak);
}

void measure_onednn(benchmark::State& state, Pass pass, MatmulShape s) {
  const bench::Product product = bench::onednn_product(pass, s);
  auto x = numbers<float>(s.m * s.k), w = numbers<float>(s.n * s.k), y = numbers<float>(s.m * s.n);
  std::vector<float> dw(s.n * s.k);
  const double peak = measured_fp32_peak_gflops();
  for (auto _ : state) {
    switch (pass) {
      case Pass::forward:
        product(x.data(), w.data(), y.data());
        break;
      case Pass::data_gradient:
        product(y.data(), w.data(), x.data());
        break;
      case Pass::weight_gradient:
        product(y.data(), x.data(), dw.data());
        break;
    }
  }
  report(state, s, peak);
}

void add(const std::string& name, auto&& function, auto... arguments) {
  benchmark::RegisterBenchmark(name.c_str(), function, arguments...)
      ->Unit(benchmark::kMillisecond)
      ->MinTime(0.05);
}

void add_all() {
  const MatmulShape shapes[] = {
      {2048, 64, 64},    {2048, 128, 128}, {2048, 256, 256},  {2048, 1024, 256}, {2048, 256, 1024},
      {2048, 512, 512},  {2048, 768, 768}, {8192, 192, 64},   {8192, 256, 64},   {8192, 64, 256},
      {8192, 512, 64},   {8192, 768, 256}, {2048, 3072, 768}, {2048, 768, 3072}, {256, 50304, 768},
      {512, 50304, 768}, {512, 8192, 512}};
  const bool has_onednn = bench::onednn_product(Pass::forward, shapes[0]) != nullptr;
  for (const MatmulShape& s : shapes) {
    for (const Pass pass : {Pass::forward, Pass::data_gradient, Pass::weight_gradient}) {
      const auto full_name = [&](const std::string& what) {
        return fmt::format("{}/{}/M{}/N{}/K{}", name(pass), what, s.m, s.n, s.k);
      };
      for (const InstructionSet set : {InstructionSet::avx2, InstructionSet::avx512,
                                       InstructionSet::avx512_bf16, InstructionSet::amx}) {
        const bool tiles_take_its_peak =
            set == InstructionSet::avx512_bf16 && cpu::supported(InstructionSet::amx);
        if (!cpu::supported(set) || tiles_take_its_peak) continue;
        const std::string suffix = std::string("/") + cpu::name(set);
        add(full_name("bf16" + suffix), measure_own<bf16>, set, pass, s);
        if (multiplies_bf16(set)) continue;  // fp32 is that of avx512
        add(full_name("fp32" + suffix), measure_own<float>, set, pass, s);
      }
      if (has_onednn) add(full_name("fp32/onednn"), measure_onednn, pass, s);
    }
  }
}

}  // namespace
}  // namespace isoflop::kernels

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_disable_warnings(true));
  using namespace isoflop::kernels;
  fmt::print(stderr, "peak: fp32 {:.0f} GFLOP/s, bf16 {:.0f} GFLOP/s, memory {:.1f} GB/s\n",
             measured_fp32_peak_gflops(), measured_bf16_peak_gflops(), measured_bandwidth_gbs());
  add_all();
  benchmark::RunSpecifiedBenchmarks();
}
