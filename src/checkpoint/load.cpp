#include "checkpoint/load.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "checkpoint/damaged.hpp"
#include "checkpoint/directory.hpp"
#include "checkpoint/mark.hpp"
#include "checkpoint/reader.hpp"
#include "checkpoint/together.hpp"
#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop::checkpoint {
namespace {

/// For each tensor of the file its entry in `state`; InputError unless both have the same tensors.
std::vector<const TensorEntry*> match(const Reader& reader, const State& state) {
  std::map<std::string, const TensorEntry*> wanted;
  for (const TensorEntry& tensor : state.tensors) wanted[tensor.name] = &tensor;
  std::vector<const TensorEntry*> matched;
  for (std::size_t i = 0; i < reader.head().tensors.size(); ++i) {
    const std::string& name = reader.head().tensors[i].name;
    const auto found = wanted.find(name);
    require(found != wanted.end(),
            "{}: tensor {} is in the checkpoint, but this model has none of that name: it is a "
            "checkpoint of another model",
            reader.where(), name);
    require(found->second->shape == reader.shape(i),
            "{}: tensor {} has shape [{}], this model needs [{}]: it is a checkpoint of another "
            "model",
            reader.where(), name, fmt::join(reader.shape(i), ", "),
            fmt::join(found->second->shape, ", "));
    matched.push_back(found->second);
    wanted.erase(found);
  }
  require(wanted.empty(),
          "{}: tensor {} is missing, this model needs one of shape [{}]: it is a checkpoint of "
          "another model",
          reader.where(), wanted.empty() ? "" : wanted.begin()->first,
          wanted.empty() ? "" : fmt::format("{}", fmt::join(wanted.begin()->second->shape, ", ")));
  return matched;
}

/// The slices of each kind that hold something, in order: a rank with pieces of matrices has many.
std::map<std::string, std::vector<Slice>> in_order(const std::vector<Slice>& slices) {
  std::map<std::string, std::vector<Slice>> ordered;
  for (const Slice& slice : slices)
    if (slice.begin < slice.end) ordered[slice.kind].push_back(slice);
  for (auto& [kind, list] : ordered) std::ranges::sort(list, {}, &Slice::begin);
  return ordered;
}

void fill(Reader& reader, const State& state) {
  const std::vector<const TensorEntry*> entries = match(reader, state);
  std::map<std::string, std::vector<Slice>> ordered = in_order(state.slices);
  for (const auto& [kind, slices] : ordered)
    require(reader.has_kind(kind), "{}: there is no group {}, which is needed", reader.where(),
            kind);
  for (const Block& block : reader.head().blocks) {
    const TensorEntry& tensor = *entries[static_cast<std::size_t>(block.tensor)];
    const std::vector<Slice>& slices = ordered[block.kind];
    const std::size_t begin = tensor.offset + static_cast<std::size_t>(block.begin);
    std::span<const float> values;
    for (auto slice = std::ranges::upper_bound(slices, begin, {}, &Slice::end);
         slice != slices.end(); ++slice) {
      const Overlap part = overlap(block, tensor, *slice);
      if (part.begin == part.end) break;
      if (values.empty()) values = reader.read(block);
      std::copy_n(values.data() + (part.begin - begin), part.end - part.begin,
                  slice->data + (part.begin - slice->begin));
    }
  }
}

bool is_marked(const std::filesystem::path& directory, const Reader& reader) {
  try {
    return read_file(complete_mark(directory)) == mark_text(state_file(directory), reader.values());
  } catch (const CutOff&) {
    return false;  // the values would lie beyond its end
  }
}

void check_mark(const std::filesystem::path& directory, const Reader& reader) {
  if (is_marked(directory, reader)) return;
  throw Damaged(fmt::format(
      "{}: does not fit the bytes of state.h5: one of the two is damaged; use another checkpoint",
      complete_mark(directory).string()));
}

hdf5::Attributes scalars_of(const Head& head) {
  hdf5::Attributes scalars = head.attributes;
  std::erase_if(scalars, [](const auto& entry) {
    return entry.first == "schema" || entry.first.starts_with("isoflop_");
  });
  return scalars;
}

}  // namespace

hdf5::Attributes load(const std::filesystem::path& directory, comm::Communicator& communicator,
                      const State& state) {
  hdf5::Attributes scalars;
  together(communicator, [&] {
    Reader reader(directory);
    if (communicator.is_root()) check_mark(directory, reader);
    fill(reader, state);
    scalars = scalars_of(reader.head());
  });
  return scalars;
}

Contents read_contents(const std::filesystem::path& directory) {
  const Reader reader(directory);
  Contents contents{scalars_of(reader.head()), {}, {}};
  for (std::size_t i = 0; i < reader.head().tensors.size(); ++i) {
    const TensorRow& row = reader.head().tensors[i];
    contents.tensors.push_back({row.name, reader.shape(i), static_cast<std::size_t>(row.offset)});
  }
  std::set<std::string> kinds;
  for (const Block& block : reader.head().blocks) kinds.insert(block.kind);
  contents.kinds.assign(kinds.begin(), kinds.end());
  return contents;
}

void verify(const std::filesystem::path& directory) {
  Reader reader(directory);
  for (const Block& block : reader.head().blocks) reader.read(block);
  check_mark(directory, reader);
}

}  // namespace isoflop::checkpoint
