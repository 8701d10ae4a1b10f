// Micro-batches in memory: sequences of the token source as inputs and targets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/token_source.hpp"

namespace isoflop::train {

class Batches {
 public:
  /// Micro-batches of `size` sequences. Keeps a reference to `source`.
  Batches(const data::TokenSource& source, std::size_t size);

  /// Training sequences first, first + 1, ... of the run.
  void load(std::uint64_t first);

  /// Validation micro-batch `index`; the last one may be shorter.
  void load_validation(std::size_t index);

  std::size_t validation_count() const;  // micro-batches
  std::size_t validation_tokens() const;

  /// Sequences of validation micro-batch `index`.
  std::size_t validation_sequences(std::size_t index) const;

  /// [B, T] each, row-major, of what was loaded last.
  std::span<const std::int32_t> tokens() const { return {tokens_.data(), sequences_ * context_}; }
  std::span<const std::int32_t> targets() const { return {targets_.data(), sequences_ * context_}; }

 private:
  template <class Fetch>
  void fill(std::size_t sequences, Fetch&& fetch);

  const data::TokenSource& source_;
  std::size_t size_;
  std::size_t context_;
  std::size_t sequences_ = 0;
  std::vector<std::int32_t> row_;      // [T + 1]
  std::vector<std::int32_t> tokens_;   // [size, T]
  std::vector<std::int32_t> targets_;  // [size, T]
};

}  // namespace isoflop::train
