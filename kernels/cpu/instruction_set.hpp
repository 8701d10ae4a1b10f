// What the processor offers to the native kernels, found once at run time (CPUID; for pairs
// also one sum, for tiles the operating system's permission). Independent of how this library was
// compiled.
#pragma once

namespace isoflop::kernels::cpu {

/// In increasing order of preference; each implies the ones before it.
enum class InstructionSet {
  scalar,       // anything
  avx2,         // x86-64-v3: AVX2 and FMA
  avx512,       // x86-64-v4: AVX-512 F, BW, VL, DQ, CD
  avx512_bf16,  // also products of pairs of bf16 (Zen 4, Cooper Lake, Sapphire Rapids)
  amx,          // also the tile unit (Sapphire Rapids and later)
};

/// The best that this process may use. The first call asks the system for the tile registers.
InstructionSet best_instruction_set();

inline bool supported(InstructionSet set) { return set <= best_instruction_set(); }

inline const char* name(InstructionSet set) {
  switch (set) {
    case InstructionSet::scalar:
      return "scalar";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::avx512_bf16:
      return "avx512_bf16";
    case InstructionSet::amx:
      return "amx";
  }
  return "unknown";
}

}  // namespace isoflop::kernels::cpu
