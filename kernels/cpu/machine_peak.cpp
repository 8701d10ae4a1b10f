#include "kernels/api/machine_peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "device/stream.hpp"
#include "kernels/cpu/instruction_set.hpp"

namespace isoflop::kernels {

namespace {

constexpr int kIterations = 100'000;  // some 0.2 ms, far above the grain of the clock
constexpr int kTrials = 60;

/// Of ten chains with so many multiply-adds an operation.
constexpr double gflop(int width) { return 2e-9 * 10 * width * kIterations; }

/// amount / (seconds of the best of `trials`).
template <class Work>
double best_rate(double amount, int trials, const Work& work) {
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < trials; ++i) {
    const Clock::time_point start = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return amount / best;
}

#if defined(__x86_64__)
// Ten independent chains hide the latency of two units of multiply-adds, or of one of pairs.
#define ISOFLOP_TEN_TIMES(operation)                                                         \
  operation(0) operation(1) operation(2) operation(3) operation(4) operation(5) operation(6) \
      operation(7) operation(8) operation(9)
#define ISOFLOP_FMA(i) asm volatile("vfmadd231ps %0, %0, %0" : "+v"(chain##i));
#define ISOFLOP_PAIRS(i) asm volatile("vdpbf16ps %0, %0, %0" : "+v"(chain##i));
#define ISOFLOP_CHAIN(i) Vector chain##i = {};

[[gnu::target("avx512f"), gnu::noinline]] void run_avx512() {
  typedef float Vector __attribute__((vector_size(64)));
  ISOFLOP_TEN_TIMES(ISOFLOP_CHAIN)
  for (int i = 0; i < kIterations; ++i) {
    ISOFLOP_TEN_TIMES(ISOFLOP_FMA)
  }
}

[[gnu::target("avx512f"), gnu::noinline]] void run_avx512_bf16() {
  typedef float Vector __attribute__((vector_size(64)));
  ISOFLOP_TEN_TIMES(ISOFLOP_CHAIN)
  for (int i = 0; i < kIterations; ++i) {
    ISOFLOP_TEN_TIMES(ISOFLOP_PAIRS)
  }
}

[[gnu::target("avx2,fma"), gnu::noinline]] void run_avx2() {
  typedef float Vector __attribute__((vector_size(32)));
  ISOFLOP_TEN_TIMES(ISOFLOP_CHAIN)
  for (int i = 0; i < kIterations; ++i) {
    ISOFLOP_TEN_TIMES(ISOFLOP_FMA)
  }
}

/// Configuring has cleared the tiles: nothing is loaded.
[[gnu::noinline]] void run_tiles() {
  alignas(64) std::uint8_t config[64] = {1};
  for (int t = 0; t < 8; ++t) {
    config[16 + 2 * t] = 64;
    config[48 + t] = 16;
  }
  asm volatile("ldtilecfg %0" ::"m"(config));
  for (int i = 0; i < kIterations / 10; ++i) {
    asm volatile(
        "tdpbf16ps %tmm6, %tmm4, %tmm0; tdpbf16ps %tmm7, %tmm4, %tmm1;"
        "tdpbf16ps %tmm6, %tmm5, %tmm2; tdpbf16ps %tmm7, %tmm5, %tmm3");
  }
  asm volatile("tilerelease");
}
#endif

/// Four lanes that the compiler multiplies and adds.
[[gnu::noinline]] void run_plain() {
  typedef float Vector __attribute__((vector_size(16)));
  Vector chains[10] = {};
  for (int i = 0; i < kIterations; ++i) {
    for (Vector& chain : chains) chain = chain * 0.5f + 1.0f;
    asm volatile("" ::"r"(chains) : "memory");
  }
}

}  // namespace

double measured_fp32_peak_gflops() {
#if defined(__x86_64__)
  if (cpu::supported(cpu::InstructionSet::avx512)) {
    return best_rate(gflop(16), kTrials, run_avx512);
  }
  if (cpu::supported(cpu::InstructionSet::avx2)) {
    return best_rate(gflop(8), kTrials, run_avx2);
  }
#endif
  return best_rate(gflop(4), kTrials, run_plain);
}

double measured_bf16_peak_gflops() {
#if defined(__x86_64__)
  if (cpu::supported(cpu::InstructionSet::amx)) {
    return best_rate(2e-9 * 16 * 16 * 32 * 4 * (kIterations / 10), kTrials, run_tiles);
  }
  if (cpu::supported(cpu::InstructionSet::avx512_bf16)) {
    return best_rate(gflop(32), kTrials, run_avx512_bf16);
  }
#endif
  return measured_fp32_peak_gflops();
}

double measured_bandwidth_gbs() {
  constexpr std::size_t kBytes = 128 << 20;
  const device::AlignedBytes from = device::allocate_aligned(kBytes);
  const device::AlignedBytes to = device::allocate_aligned(kBytes);
  std::memset(from.get(), 1, kBytes);
  return best_rate(2e-9 * kBytes, 4, [&] {
    std::memcpy(to.get(), from.get(), kBytes);
    asm volatile("" ::"r"(to.get()) : "memory");
  });
}

}  // namespace isoflop::kernels
