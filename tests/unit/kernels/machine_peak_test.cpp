#include "kernels/api/machine_peak.hpp"

#include <gtest/gtest.h>

namespace isoflop::kernels {
namespace {

TEST(MachinePeak, IsThatOfAProcessorNotOfAnEmptyLoop) {
  // from a slow core without vectors to a full socket with tiles
  EXPECT_GT(measured_fp32_peak_gflops(), 0.5);
  EXPECT_LT(measured_fp32_peak_gflops(), 1e5);
  EXPECT_GT(measured_bf16_peak_gflops(), 0.5);
  EXPECT_LT(measured_bf16_peak_gflops(), 1e6);
}

}  // namespace
}  // namespace isoflop::kernels
