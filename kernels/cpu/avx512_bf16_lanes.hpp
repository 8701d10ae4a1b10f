// The vectors of AVX-512 on processors that round them to bf16. Included after the change of
// target; internal linkage.
#pragma once

#if defined(__x86_64__)
#include "kernels/cpu/avx512_lanes.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // by itself the header is checked for the plain target

namespace isoflop::kernels::cpu {
namespace {

struct Avx512Bf16Lanes : Avx512Lanes {
  ISOFLOP_INLINE static Half round(Float value) { return (Half)_mm512_cvtneps_pbh(value); }
};

}  // namespace
}  // namespace isoflop::kernels::cpu

#pragma GCC diagnostic pop
#endif
