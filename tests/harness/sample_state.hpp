// A small checkpointed state whose every value follows from its kind and place, held in shares.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "checkpoint/state.hpp"

namespace isoflop::test {

/// Odd shapes, padding before, between and behind; one tensor of more than two blocks.
inline std::vector<checkpoint::TensorEntry> sample_tensors() {
  return {{"embedding", {3, 5}, 2},
          {"blocks.0/matrix", {700, 1000}, 64},
          {"blocks.0/gain", {7}, 700'064},
          {"scale", {}, 700'072},
          {"head", {2, 3, 11}, 700'073}};
}
inline constexpr std::size_t kSampleBuffer = 700'200;
inline const std::vector<std::string> kSampleKinds{"parameters", "first_moment", "second_moment"};

inline float sample_value(std::size_t kind, std::size_t element) {
  const auto bits = static_cast<std::uint32_t>((element + 1) * 2654435761u + kind * 40503u);
  return std::bit_cast<float>(bits);  // any bits, NaNs too
}

/// Share `part` of `parts` of every kind, cut unevenly; parts beyond the end are empty.
class SampleShare {
 public:
  SampleShare(std::size_t part, std::size_t parts, bool filled) {
    for (std::size_t kind = 0; kind < kSampleKinds.size(); ++kind) {
      const std::size_t begin = cut(part, parts), end = cut(part + 1, parts);
      auto& values = values_.emplace_back(end - begin, -1.0f);
      if (filled)
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = sample_value(kind, begin + i);
      state_.slices.push_back({kSampleKinds[kind], begin, end, values.data()});
    }
    state_.tensors = sample_tensors();
  }

  checkpoint::State& state() { return state_; }

  /// Elements that are not, bit for bit, what was saved, or padding that was touched.
  std::size_t wrong_elements() const {
    std::size_t wrong = 0;
    for (std::size_t kind = 0; kind < values_.size(); ++kind) {
      const checkpoint::Slice& slice = state_.slices[kind];
      std::vector<bool> in_tensor(slice.end - slice.begin, false);
      for (const checkpoint::TensorEntry& tensor : state_.tensors) {
        const std::size_t first = std::max(slice.begin, tensor.offset);
        const std::size_t last = std::min(slice.end, tensor.offset + tensor.count());
        for (std::size_t i = first; i < last; ++i) in_tensor[i - slice.begin] = true;
      }
      for (std::size_t i = 0; i < in_tensor.size(); ++i) {
        const float expected = in_tensor[i] ? sample_value(kind, slice.begin + i) : -1.0f;
        wrong +=
            std::bit_cast<std::uint32_t>(values_[kind][i]) != std::bit_cast<std::uint32_t>(expected)
                ? 1u
                : 0u;
      }
    }
    return wrong;
  }

 private:
  static std::size_t cut(std::size_t part, std::size_t parts) {
    if (part == 0) return 0;
    return part >= parts ? kSampleBuffer : kSampleBuffer * part / parts + 13 * part;
  }

  std::vector<std::vector<float>> values_;
  checkpoint::State state_;
};

}  // namespace isoflop::test
