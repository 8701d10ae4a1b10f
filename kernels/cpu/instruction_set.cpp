#include "kernels/cpu/instruction_set.hpp"

#include <cstdint>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace isoflop::kernels::cpu {

#if defined(__x86_64__)
namespace {

/// VDPBF16PS adds the product of the upper halves, rounds, then adds that of the lower ones: 2^24 +
/// 1 is not a float, so the 1 is lost. A processor that sums otherwise would have other bits.
[[gnu::target("avx512f"), gnu::noinline]] bool sums_pairs_in_order() {
  typedef float Float __attribute__((vector_size(64)));
  typedef std::uint32_t Word __attribute__((vector_size(64)));
  constexpr std::uint32_t kOne = 0x3F80, kMinusTwoTo24 = 0xCB80;  // bf16
  Float sum = Float{} + 0x1p24f;
  const Word a = Word{} + (kOne << 16 | kMinusTwoTo24), b = Word{} + (kOne << 16 | kOne);
  asm volatile("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  return sum[0] == 0.0f;
}

bool has_pairs() { return __builtin_cpu_supports("avx512bf16") && sums_pairs_in_order(); }

bool has_tiles() {
#if defined(__linux__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;  // edx of leaf 7.0
  if ((edx & kAmxBf16) == 0 || (edx & kAmxTile) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

InstructionSet find_best() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return InstructionSet::scalar;
  }
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd");
  if (!avx512) return InstructionSet::avx2;
  if (!has_pairs()) return InstructionSet::avx512;
  return has_tiles() ? InstructionSet::amx : InstructionSet::avx512_bf16;
}

}  // namespace

InstructionSet best_instruction_set() {
  static const InstructionSet best = find_best();
  return best;
}
#else
InstructionSet best_instruction_set() { return InstructionSet::scalar; }
#endif

}  // namespace isoflop::kernels::cpu
