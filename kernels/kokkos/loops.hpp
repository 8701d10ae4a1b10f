// How portable kernels walk over memory: outer loops through Kokkos, inner loops plain, so that the
// compiler vectorises them for each instruction set level, and sums over 16 fixed lanes, so that
// every level and any number of threads gives the same bits.
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>

#include "core/integers.hpp"

/// In front of an inner loop whose iterations touch only their own elements, even where an output
/// is an input: spares the compiler's run-time overlap checks, which fail for in-place use.
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#define ISOFLOP_INDEPENDENT _Pragma("GCC ivdep")
#else
#define ISOFLOP_INDEPENDENT
#endif

namespace isoflop::kernels::kokkos {

inline constexpr std::size_t kLanes = 16;

inline constexpr bool kRunsOnHost =
    Kokkos::SpaceAccessibility<Kokkos::DefaultExecutionSpace, Kokkos::HostSpace>::accessible != 0 &&
    Kokkos::SpaceAccessibility<Kokkos::HostSpace,
                               Kokkos::DefaultExecutionSpace::memory_space>::accessible != 0;

/// Elements that one thread takes at a time: long inner loops on a CPU, neighbouring threads on
/// neighbouring elements on a GPU.
inline constexpr std::size_t kChunk = kRunsOnHost ? 4096 : 1;

/// The label of a launch where a tool will read it. Kokkos copies it into a string, which would ask
/// for memory at every launch of a step.
inline const char* for_tools(const char* label) {
  return Kokkos::Tools::profileLibraryLoaded() ? label : "";
}

template <class Body>
struct ChunkBody {
  Body body;
  std::size_t count;

  KOKKOS_FUNCTION void operator()(std::size_t chunk) const {
    const std::size_t begin = chunk * kChunk;
    const std::size_t end = begin + kChunk < count ? begin + kChunk : count;
    body(begin, end);
  }
};

/// body(index) for every index below `count`. A single one runs where it is: no launch.
template <class Body>
void for_each(const char* label, std::size_t count, const Body& body) {
  if constexpr (kRunsOnHost) {
    if (count == 1) return body(std::size_t{0});
  }
  if (count > 0) {
    Kokkos::parallel_for(for_tools(label),
                         Kokkos::RangePolicy<Kokkos::IndexType<std::size_t>>(0, count), body);
  }
}

/// body(begin, end) over ranges that cover [0, count).
template <class Body>
void for_chunks(const char* label, std::size_t count, const Body& body) {
  for_each(label, ceil_div(count, kChunk), ChunkBody<Body>{body, count});
}

/// Adds the lanes in a fixed tree; overwrites them.
template <class Value>
KOKKOS_INLINE_FUNCTION Value add_lanes(Value (&lanes)[kLanes]) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

/// The sum of term(i) for i below `count`: lane i % 16 adds its terms in order, then the tree.
template <class Value, class Term>
KOKKOS_INLINE_FUNCTION Value lane_sum(std::size_t count, const Term& term) {
  Value lanes[kLanes] = {};
  const std::size_t whole = count / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (std::size_t i = whole; i < count; ++i) lanes[i - whole] += term(i);
  return add_lanes(lanes);
}

}  // namespace isoflop::kernels::kokkos
