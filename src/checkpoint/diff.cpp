#include "checkpoint/diff.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <span>

#include "checkpoint/load.hpp"
#include "checkpoint/reader.hpp"

namespace isoflop::checkpoint {
namespace {

/// The values of one tensor of one kind, piece by piece, from a file cut into any blocks.
class TensorStream {
 public:
  TensorStream(Reader& reader, const std::string& kind, std::size_t tensor) : reader_(reader) {
    for (const Block& block : reader.head().blocks)
      if (block.kind == kind && block.tensor == static_cast<std::int64_t>(tensor))
        blocks_.push_back(&block);
  }

  /// Not yet taken values, at least one while there are any.
  std::span<const float> peek() {
    if (rest_.empty() && next_ < blocks_.size()) rest_ = reader_.read(*blocks_[next_++]);
    return rest_;
  }
  void take(std::size_t count) { rest_ = rest_.subspan(count); }

 private:
  Reader& reader_;
  std::vector<const Block*> blocks_;
  std::size_t next_ = 0;
  std::span<const float> rest_;
};

TensorDifference compare(TensorStream first, TensorStream second, std::string name) {
  TensorDifference difference{std::move(name), 0, 0, 0, 0};
  double largest_value = 0;
  for (;;) {
    const std::span<const float> a = first.peek();
    const std::span<const float> b = second.peek();
    const std::size_t count = std::min(a.size(), b.size());
    if (count == 0) break;
    for (std::size_t i = 0; i < count; ++i) {
      largest_value = std::max({largest_value, std::fabs(double{a[i]}), std::fabs(double{b[i]})});
      if (std::bit_cast<std::uint32_t>(a[i]) == std::bit_cast<std::uint32_t>(b[i])) continue;
      ++difference.different;
      const double distance = std::fabs(double{a[i]} - double{b[i]});
      if (!std::isnan(difference.largest) && !(distance <= difference.largest))
        difference.largest = distance;  // NaN stays
    }
    difference.elements += count;
    first.take(count);
    second.take(count);
  }
  if (difference.largest != 0)
    difference.relative =
        std::isinf(difference.largest) ? difference.largest : difference.largest / largest_value;
  return difference;
}

std::string text_of(const hdf5::Value& value) {
  return std::visit([](const auto& held) { return fmt::format("{}", held); }, value);
}

/// Long texts are named, not printed.
void compare_scalars(const Contents& first, const Contents& second,
                     std::vector<std::string>& structure) {
  constexpr std::size_t kShort = 80;
  for (const auto& [name, value] : first.scalars) {
    const hdf5::Value* other = hdf5::find(second.scalars, name);
    if (other == nullptr) {
      structure.push_back(fmt::format("scalar {} is missing in the second", name));
    } else if (*other != value) {
      const std::string a = text_of(value), b = text_of(*other);
      structure.push_back(a.size() + b.size() > kShort
                              ? fmt::format("scalar {} differs", name)
                              : fmt::format("scalar {}: {} and {}", name, a, b));
    }
  }
  for (const auto& entry : second.scalars)
    if (hdf5::find(first.scalars, entry.first) == nullptr)
      structure.push_back(fmt::format("scalar {} is missing in the first", entry.first));
}

}  // namespace

bool Difference::is_equal() const {
  return structure.empty() &&
         std::ranges::all_of(tensors, [](const auto& tensor) { return tensor.different == 0; });
}

Difference diff(const std::filesystem::path& first, const std::filesystem::path& second,
                const std::vector<std::string>& ignored) {
  Difference difference;
  Contents a = read_contents(first), b = read_contents(second);
  for (Contents* contents : {&a, &b})
    std::erase_if(contents->scalars, [&](const auto& scalar) {
      return std::ranges::find(ignored, scalar.first) != ignored.end();
    });
  compare_scalars(a, b, difference.structure);
  if (a.kinds != b.kinds)
    difference.structure.push_back(
        fmt::format("kinds: {} and {}", fmt::join(a.kinds, ", "), fmt::join(b.kinds, ", ")));
  std::map<std::string, std::size_t> in_second;
  for (std::size_t i = 0; i < b.tensors.size(); ++i) in_second[b.tensors[i].name] = i;
  Reader reader_a(first), reader_b(second);
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    const TensorEntry& tensor = a.tensors[i];
    const auto found = in_second.find(tensor.name);
    if (found == in_second.end()) {
      difference.structure.push_back(
          fmt::format("tensor {} is missing in the second", tensor.name));
      continue;
    }
    const std::size_t j = found->second;
    in_second.erase(found);
    if (tensor.shape != b.tensors[j].shape) {
      difference.structure.push_back(fmt::format("tensor {}: shape [{}] and [{}]", tensor.name,
                                                 fmt::join(tensor.shape, ", "),
                                                 fmt::join(b.tensors[j].shape, ", ")));
      continue;
    }
    for (const std::string& kind : a.kinds)
      if (reader_b.has_kind(kind))
        difference.tensors.push_back(compare(TensorStream(reader_a, kind, i),
                                             TensorStream(reader_b, kind, j),
                                             kind + "/" + tensor.name));
  }
  for (const auto& entry : in_second)
    difference.structure.push_back(fmt::format("tensor {} is missing in the first", entry.first));
  return difference;
}

}  // namespace isoflop::checkpoint
