// Tensors that an independent program made and stored as float32 (golden.py beside each golden.h5).
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "core/file_descriptor.hpp"
#include "hdf5/contiguous.hpp"

namespace isoflop::test {

inline std::vector<float> golden_values(const std::filesystem::path& file,
                                        const std::string& name) {
  const hdf5::Contiguous place =
      hdf5::open_contiguous(hdf5::File::open(file, hdf5::Access::read), name);
  std::vector<float> values(
      std::accumulate(place.shape.begin(), place.shape.end(), std::size_t{1}, std::multiplies<>()));
  const FileDescriptor bytes(file, O_RDONLY);
  bytes.read(std::as_writable_bytes(std::span(values)), place.offset);
  return values;
}

inline std::vector<std::int32_t> golden_integers(const std::filesystem::path& file,
                                                 const std::string& name) {
  const std::vector<float> values = golden_values(file, name);
  return {values.begin(), values.end()};
}

/// Every value is within `relative` of the largest golden one.
inline void expect_near(std::span<const float> values, const std::filesystem::path& file,
                        const std::string& name, double relative) {
  const std::vector<float> expected = golden_values(file, name);
  ASSERT_EQ(values.size(), expected.size()) << name;
  double largest = 0.0;
  for (const float value : expected) largest = std::max(largest, double{std::abs(value)});
  ASSERT_GT(largest, 0.0) << name;
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_NEAR(values[i], expected[i], relative * largest) << name << " " << i;
}

}  // namespace isoflop::test
