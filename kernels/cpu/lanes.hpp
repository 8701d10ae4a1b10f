// Sixteen floats, as one, two or four registers of the instruction set level that this file is
// compiled for. Each operation rounds each lane once, so every level gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "core/bf16.hpp"

namespace isoflop::kernels::cpu {

inline constexpr std::size_t kLanes = 16;
#if defined(__AVX512F__)
inline constexpr std::size_t kNativeLanes = 16;
#elif defined(__AVX2__)
inline constexpr std::size_t kNativeLanes = 8;
#else
inline constexpr std::size_t kNativeLanes = 4;
#endif
inline constexpr std::size_t kParts = kLanes / kNativeLanes;

typedef float NativeFloats __attribute__((vector_size(4 * kNativeLanes)));
typedef std::int32_t NativeInts __attribute__((vector_size(4 * kNativeLanes)));
typedef float StoredFloats __attribute__((vector_size(4 * kNativeLanes), aligned(4), may_alias));
typedef std::uint16_t StoredHalves
    __attribute__((vector_size(2 * kNativeLanes), aligned(2), may_alias));
typedef std::uint16_t NativeHalves __attribute__((vector_size(2 * kNativeLanes)));

struct Lanes {
  NativeFloats part[kParts];
};

#if !defined(__FMA__)
/// a b + c rounded once, where there is no instruction for it: the product is exact in double, and
/// the sum is rounded to odd there, so that the second rounding cannot undo the first (Boldo and
/// Melquiond 2008).
inline float fused(float a, float b, float c) {
  const double product = static_cast<double>(a) * b, addend = c, sum = product + addend;
  const double back = sum - product;
  const double error = (product - (sum - back)) + (addend - back);
  auto bits = __builtin_bit_cast(std::int64_t, sum);
  const bool towards_zero = (error > 0.0) != (sum > 0.0);
  if ((error > 0.0 || error < 0.0) && (bits & 1) == 0) bits += towards_zero ? -1 : 1;
  return static_cast<float>(__builtin_bit_cast(double, bits));
}
#endif

inline NativeFloats native_fma(NativeFloats a, NativeFloats b, NativeFloats c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  for (std::size_t lane = 0; lane < kNativeLanes; ++lane)
    c[lane] = fused(a[lane], b[lane], c[lane]);
  return c;
#endif
}

/// The larger; b when either is NaN.
inline NativeFloats native_max(NativeFloats a, NativeFloats b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xFFFF, a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}

/// Applies a function of native registers to each part.
template <class Function, class... Arguments>
inline Lanes each(Function function, const Arguments&... arguments) {
  Lanes result;
#pragma GCC unroll 4
  for (std::size_t p = 0; p < kParts; ++p) result.part[p] = function(arguments.part[p]...);
  return result;
}

inline Lanes broadcast(float value) {
  Lanes result;
#pragma GCC unroll 4
  for (std::size_t p = 0; p < kParts; ++p) result.part[p] = value - NativeFloats{};
  return result;
}

inline Lanes load(const float* source) {
  Lanes result;
#pragma GCC unroll 4
  for (std::size_t p = 0; p < kParts; ++p) {
    result.part[p] = *reinterpret_cast<const StoredFloats*>(source + p * kNativeLanes);
  }
  return result;
}

inline Lanes load(const bf16* source) {
  Lanes result;
#pragma GCC unroll 4
  for (std::size_t p = 0; p < kParts; ++p) {
    const NativeHalves halves = *reinterpret_cast<const StoredHalves*>(source + p * kNativeLanes);
    result.part[p] =
        reinterpret_cast<NativeFloats>(__builtin_convertvector(halves, NativeInts) << 16);
  }
  return result;
}

inline void store(float* target, const Lanes& lanes) {
#pragma GCC unroll 4
  for (std::size_t p = 0; p < kParts; ++p) {
    *reinterpret_cast<StoredFloats*>(target + p * kNativeLanes) = lanes.part[p];
  }
}

/// The bits of the nearest bf16 in the lower half of each lane; as bf16(float).
inline NativeInts round_to_bf16(NativeFloats value) {
  typedef std::uint32_t Words __attribute__((vector_size(4 * kNativeLanes)));
  const Words word = reinterpret_cast<Words>(value);
  const Words rounded = word + 0x7FFFu + ((word >> 16) & 1u);
  const Words quiet = word | 0x400000u;
  return reinterpret_cast<NativeInts>((value == value ? rounded : quiet) >> 16);
}

inline void store(bf16* target, const Lanes& lanes) {
#pragma GCC unroll 4
  for (std::size_t p = 0; p < kParts; ++p) {
    *reinterpret_cast<StoredHalves*>(target + p * kNativeLanes) =
        __builtin_convertvector(round_to_bf16(lanes.part[p]), NativeHalves);
  }
}

inline Lanes fma(const Lanes& a, const Lanes& b, const Lanes& c) {
  return each(native_fma, a, b, c);
}
inline Lanes max(const Lanes& a, const Lanes& b) { return each(native_max, a, b); }
inline Lanes operator+(const Lanes& a, const Lanes& b) {
  return each([](NativeFloats x, NativeFloats y) { return x + y; }, a, b);
}
inline Lanes operator-(const Lanes& a, const Lanes& b) {
  return each([](NativeFloats x, NativeFloats y) { return x - y; }, a, b);
}
inline Lanes operator*(const Lanes& a, const Lanes& b) {
  return each([](NativeFloats x, NativeFloats y) { return x * y; }, a, b);
}

/// value where lane >= first, else otherwise.
inline Lanes from_lane(std::int32_t first, const Lanes& value, const Lanes& otherwise) {
  Lanes result;
#pragma GCC unroll 4
  for (std::size_t p = 0; p < kParts; ++p) {
    NativeInts index;
    for (std::size_t lane = 0; lane < kNativeLanes; ++lane) {
      index[lane] = static_cast<std::int32_t>(p * kNativeLanes + lane);
    }
    result.part[p] = index >= first ? value.part[p] : otherwise.part[p];
  }
  return result;
}

/// 2^x within 2 units in the last place; zero below -126.5, meant for x <= 127; NaN stays NaN.
inline Lanes exp2(const Lanes& x) {
  return each(
      [](NativeFloats value) {
        const NativeFloats least = -127.0f - NativeFloats{}, zero = {};
        value = native_max(least, value);
        // adding 1.5 * 2^23 rounds to an integer, whose bits are then the lowest of the sum
        const NativeFloats shifted = value + 12582912.0f;
        const NativeFloats rest = value - (shifted - 12582912.0f);  // exact, in [-1/2, 1/2]
        NativeFloats p = 1.535336188e-4f + zero;
        p = native_fma(p, rest, 1.339887440e-3f + zero);
        p = native_fma(p, rest, 9.618437358e-3f + zero);
        p = native_fma(p, rest, 5.550332471e-2f + zero);
        p = native_fma(p, rest, 2.402264791e-1f + zero);
        p = native_fma(p, rest, 6.931472029e-1f + zero);
        p = native_fma(p, rest, 1.0f + zero);
        const NativeInts power = (reinterpret_cast<NativeInts>(shifted) + 127) << 23;
        return p * reinterpret_cast<NativeFloats>(power);
      },
      x);
}

/// The first `count` values, then zeros.
template <class T>
inline Lanes load_some(const T* source, std::size_t count) {
  if (count >= kLanes) return load(source);
  alignas(64) float values[kLanes] = {};
  for (std::size_t lane = 0; lane < count; ++lane) values[lane] = static_cast<float>(source[lane]);
  return load(values);
}

/// Stores the first `count` lanes.
template <class T>
inline void store_some(T* target, std::size_t count, const Lanes& lanes) {
  if (count >= kLanes) return store(target, lanes);
  alignas(64) float values[kLanes];
  store(values, lanes);
  for (std::size_t lane = 0; lane < count; ++lane) target[lane] = T(values[lane]);
}

inline NativeFloats interleave_low(NativeFloats a, NativeFloats b) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#elif defined(__AVX2__)
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#else
  return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#endif
}

inline NativeFloats interleave_high(NativeFloats a, NativeFloats b) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
#elif defined(__AVX2__)
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}

/// Rows become columns: four rounds that each interleave row i with row i + 8.
inline void transpose(Lanes (&rows)[kLanes]) {
#pragma GCC unroll 4
  for (int round = 0; round < 4; ++round) {
    Lanes next[kLanes];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < kLanes / 2; ++i) {
      const Lanes &a = rows[i], &b = rows[i + kLanes / 2];
#pragma GCC unroll 8
      for (std::size_t s = 0; s < 2 * kParts; ++s) {
        next[2 * i + s / kParts].part[s % kParts] =
            s % 2 == 0 ? interleave_low(a.part[s / 2], b.part[s / 2])
                       : interleave_high(a.part[s / 2], b.part[s / 2]);
      }
    }
#pragma GCC unroll 16
    for (std::size_t i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

}  // namespace isoflop::kernels::cpu
