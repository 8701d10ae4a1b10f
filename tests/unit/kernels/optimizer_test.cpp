#include "kernels/api/optimizer.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.hpp"

namespace isoflop::kernels {
namespace {

TEST(Flat, FillThenAdd) {
  device::Stream stream;
  for (const std::size_t count : {0u, 1u, 17u, 5000u}) {
    std::vector<float> target(count, -1.0f), values(count);
    fill(stream, count, 0.5f, values.data());
    add_in_place(stream, count, values.data(), target.data());
    for (const float value : target) ASSERT_EQ(value, -0.5f);
  }
}

TEST(Flat, CudaIsRefusedWithoutIt) {
  device::Stream stream(device::Device::cuda);
  EXPECT_THROW(fill(stream, 0, 0.0f, nullptr), InputError);
}

}  // namespace
}  // namespace isoflop::kernels
