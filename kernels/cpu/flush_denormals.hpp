// While it lives, this thread's SSE and AVX arithmetic counts denormals as zero and rounds results
// to zero instead of to a denormal, as the tile unit and products of pairs always do. Other
// processors keep denormals.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace isoflop::kernels::cpu {

#if defined(__x86_64__)
class FlushDenormals {
 public:
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | kFlushResults | kFlushOperands); }
  ~FlushDenormals() { _mm_setcsr(saved_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  static constexpr unsigned kFlushResults = 0x8000, kFlushOperands = 0x0040;
  unsigned saved_;
};
#else
class [[maybe_unused]] FlushDenormals {};
#endif

}  // namespace isoflop::kernels::cpu
