#include "train/batches.hpp"

#include <algorithm>

#include "core/integers.hpp"

namespace isoflop::train {

Batches::Batches(const data::TokenSource& source, std::size_t size)
    : source_(source),
      size_(size),
      context_(static_cast<std::size_t>(source.context())),
      row_(context_ + 1),
      tokens_(size * context_),
      targets_(size * context_) {}

template <class Fetch>
void Batches::fill(std::size_t sequences, Fetch&& fetch) {
  sequences_ = sequences;
  for (std::size_t i = 0; i < sequences; ++i) {
    fetch(i, std::span<std::int32_t>(row_));
    const auto at = static_cast<std::ptrdiff_t>(i * context_);
    std::copy(row_.begin(), row_.end() - 1, tokens_.begin() + at);
    std::copy(row_.begin() + 1, row_.end(), targets_.begin() + at);
  }
}

void Batches::load(std::uint64_t first) {
  fill(size_,
       [&](std::size_t i, std::span<std::int32_t> row) { source_.sequence(first + i, row); });
}

void Batches::load_validation(std::size_t index) {
  const std::size_t first = index * size_;
  fill(validation_sequences(index), [&](std::size_t i, std::span<std::int32_t> row) {
    source_.validation_sequence(static_cast<std::int64_t>(first + i), row);
  });
}

std::size_t Batches::validation_sequences(std::size_t index) const {
  return std::min(size_, static_cast<std::size_t>(source_.validation_sequences()) - index * size_);
}

std::size_t Batches::validation_count() const {
  return ceil_div(static_cast<std::size_t>(source_.validation_sequences()), size_);
}

std::size_t Batches::validation_tokens() const {
  return static_cast<std::size_t>(source_.validation_sequences()) * context_;
}

}  // namespace isoflop::train
