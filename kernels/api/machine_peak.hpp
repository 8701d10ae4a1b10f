// What the host can do at most, measured: the denominators of every "share of peak" that is
// printed.
//
// Each function works on the calling thread for some ten milliseconds (memory: a tenth of a second)
// and takes the best of many short trials, because neighbours on a shared machine only ever slow a
// trial down. Call it again rather than keep its answer: clocks change. The peak of n threads is
// taken to be n times it.
#pragma once

namespace isoflop::kernels {

/// GFLOP/s of fused multiply-adds in registers (two FLOP each), in the widest vectors there are.
double measured_fp32_peak_gflops();

/// GFLOP/s of the tile unit, or of products of pairs; without either the fp32 peak, which then
/// carries bf16 too.
double measured_bf16_peak_gflops();

/// GB/s of a copy in memory, bytes read plus bytes written. Holds 256 MB while it runs.
double measured_bandwidth_gbs();

}  // namespace isoflop::kernels
