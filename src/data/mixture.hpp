// The order in which training sees a corpus.
//
// Each source's train tokens are cut into windows of stride T (window j: tokens jT .. jT+T, so that
// every token but the first is a target exactly once an epoch). An epoch of a source visits its
// windows in a pseudo-random permutation that depends on (seed, source, epoch) alone. Sources are
// interleaved by a seeded pattern of 1024 sequences, repeated for ever, whose counts follow the
// weights by largest remainder. Hence sequence g is found in O(1), whatever came before.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/corpus.hpp"
#include "data/token_source.hpp"

namespace isoflop::data {

inline constexpr std::size_t kPatternPeriod = 1024;

/// Sequences of each source in one pattern: weights (any positive scale) rounded to 1/1024 by
/// largest remainder. Throws InputError when a weight is not positive or rounds to nothing.
std::vector<std::int64_t> pattern_counts(std::span<const double> weights,
                                         std::span<const std::string> names);

class Mixture final : public TokenSource {
 public:
  /// `weights`: one a source; empty: those of the corpus, or else proportional to the train tokens.
  /// Throws InputError when a source has less than one window or there is no validation window.
  Mixture(std::shared_ptr<const Corpus> corpus, std::int64_t context, std::uint64_t seed,
          std::span<const double> weights = {});

  std::int64_t vocabulary() const override { return corpus_->vocabulary(); }
  std::int64_t context() const override { return context_; }
  const std::string& fingerprint() const override { return fingerprint_; }
  void sequence(std::uint64_t g, std::span<std::int32_t> tokens) const override;
  std::int64_t validation_sequences() const override { return validation_first_.back(); }
  void validation_sequence(std::int64_t i, std::span<std::int32_t> tokens) const override;
  double validation_bytes_per_token() const override { return validation_bytes_per_token_; }
  std::int64_t unique_tokens(std::int64_t tokens) const override;

  /// Where sequence g comes from.
  struct Place {
    std::size_t source;
    std::uint64_t epoch;
    std::uint64_t window;
  };
  Place place(std::uint64_t g) const;

  /// Train windows of a source; one epoch of it is that many of its sequences.
  std::int64_t windows(std::size_t source) const {
    return static_cast<std::int64_t>(windows_[source]);
  }

  const Corpus& corpus() const { return *corpus_; }

 private:
  void lay_pattern(std::span<const double> weights);
  void lay_validation();

  std::shared_ptr<const Corpus> corpus_;
  std::int64_t context_;
  std::uint64_t seed_;
  std::string fingerprint_;
  std::vector<std::uint64_t> windows_;                  // [source]
  std::vector<std::int64_t> counts_;                    // [source], sum 1024
  std::array<std::uint32_t, kPatternPeriod> source_{};  // source of pattern position p
  std::array<std::uint32_t, kPatternPeriod> rank_{};    // how many of it stand before p
  std::vector<std::int64_t> validation_first_;          // [source + 1]
  double validation_bytes_per_token_ = 0;
};

}  // namespace isoflop::data
