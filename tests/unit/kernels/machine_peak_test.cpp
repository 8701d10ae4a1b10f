#include "kernels/api/machine_peak.hpp"

#include <gtest/gtest.h>

#include "kernels/cpu/instruction_set.hpp"

namespace isoflop::kernels {
namespace {

TEST(MachinePeak, IsThatOfAProcessorNotOfAnEmptyLoop) {
  // from a slow core without vectors to a full socket with tiles
  EXPECT_GT(measured_fp32_peak_gflops(), 0.5);
  EXPECT_LT(measured_fp32_peak_gflops(), 1e5);
  EXPECT_GT(measured_bf16_peak_gflops(), 0.5);
  EXPECT_LT(measured_bf16_peak_gflops(), 1e6);
}

TEST(MachinePeak, OfBf16IsHigherWherePairsOrTilesAreMultiplied) {
  if (!cpu::supported(cpu::InstructionSet::avx512_bf16))
    GTEST_SKIP() << "skipped: this processor does neither";
  EXPECT_GT(measured_bf16_peak_gflops(), 1.2 * measured_fp32_peak_gflops());
}

}  // namespace
}  // namespace isoflop::kernels
