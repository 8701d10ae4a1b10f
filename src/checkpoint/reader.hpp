// A complete checkpoint open for reading, its head checked.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/head.hpp"
#include "checkpoint/mark.hpp"
#include "core/file_descriptor.hpp"

namespace isoflop::checkpoint {

class Reader {
 public:
  /// InputError for a folder without the mark or a file of another schema, Damaged for a file that
  /// is gone or has a damaged head. What the system refuses to read (no descriptor left, a disk
  /// that fails) is no damage and throws Error, here and in read().
  explicit Reader(const std::filesystem::path& directory);

  const Head& head() const { return head_; }
  bool has_kind(const std::string& kind) const { return places_.contains(kind); }
  /// By row of /tensors.
  const std::vector<std::size_t>& shape(std::size_t tensor) const { return shapes_[tensor]; }

  /// The block's values, checked; Damaged, naming file and tensor, when they are not those saved.
  /// They stay valid until the next call.
  std::span<const float> read(const Block& block);

  /// Where in state.h5 the tensors' values lie.
  std::vector<ByteRange> values() const;

  /// For messages.
  std::string where(const std::string& object = "") const;

 private:
  void find_tensors(const hdf5::File& file);

  std::filesystem::path path_;
  Head head_;
  std::vector<std::vector<std::size_t>> shapes_;
  std::map<std::string, std::vector<std::size_t>> places_;  // bytes, by kind and tensor
  FileDescriptor values_;
  std::vector<float> buffer_;
};

}  // namespace isoflop::checkpoint
