#include "data/mixture.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "data/permutation.hpp"

namespace isoflop::data {
namespace {

std::int64_t windows_in(std::int64_t tokens, std::int64_t context) {
  return tokens > context ? (tokens - 1) / context : 0;
}

std::vector<double> default_weights(const Corpus& corpus) {
  std::vector<double> weights;
  for (std::size_t s = 0; s < corpus.sources(); ++s) {
    weights.push_back(corpus.description().sources[s].weight.value_or(
        static_cast<double>(corpus.tokens(s, kTrain))));
  }
  return weights;
}

}  // namespace

std::vector<std::int64_t> pattern_counts(std::span<const double> weights,
                                         std::span<const std::string> names) {
  double total = 0;
  for (std::size_t s = 0; s < weights.size(); ++s) {
    require(std::isfinite(weights[s]) && weights[s] > 0,
            "source '{}': weight {} is not a positive number", names[s], weights[s]);
    total += weights[s];
  }
  std::vector<std::int64_t> counts;
  std::vector<double> remainders;
  for (const double weight : weights) {
    const double exact = weight / total * static_cast<double>(kPatternPeriod);
    counts.push_back(static_cast<std::int64_t>(exact));
    remainders.push_back(exact - std::floor(exact));
  }
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  std::int64_t left = static_cast<std::int64_t>(kPatternPeriod) -
                      std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  for (std::size_t i = 0; left > 0; i = (i + 1) % order.size(), --left) ++counts[order[i]];
  for (std::size_t s = 0; s < counts.size(); ++s) {
    require(counts[s] > 0,
            "source '{}': its share of {:.2g} is below 1/{}: leave it out, join it with another, "
            "or give every source a weight",
            names[s], weights[s] / total, kPatternPeriod);
  }
  return counts;
}

Mixture::Mixture(std::shared_ptr<const Corpus> corpus, std::int64_t context, std::uint64_t seed,
                 std::span<const double> weights)
    : corpus_(std::move(corpus)), context_(context), seed_(seed) {
  require(context_ > 0, "context {} is not positive", context_);
  for (std::size_t s = 0; s < corpus_->sources(); ++s) {
    const std::int64_t tokens = corpus_->tokens(s, kTrain);
    windows_.push_back(static_cast<std::uint64_t>(windows_in(tokens, context_)));
    require(windows_[s] > 0,
            "source '{}' has {} train tokens, one sequence of context {} needs {}: use more text "
            "or a shorter context",
            corpus_->description().sources[s].name, tokens, context_, context_ + 1);
  }
  fingerprint_ = corpus_->fingerprint();
  if (weights.empty()) {
    lay_pattern(default_weights(*corpus_));
  } else {
    require(weights.size() == corpus_->sources(), "{} weights for {} sources", weights.size(),
            corpus_->sources());
    lay_pattern(weights);
    Hasher hasher;
    hasher.add(corpus_->fingerprint());
    for (const std::int64_t count : counts_) hasher.add(fmt::format(" {}", count));
    fingerprint_ = hex(hasher.value());
  }
  lay_validation();
}

void Mixture::lay_pattern(std::span<const double> weights) {
  std::vector<std::string> names;
  for (const SourceContent& source : corpus_->description().sources) names.push_back(source.name);
  counts_ = pattern_counts(weights, names);
  std::size_t position = 0;
  for (std::size_t s = 0; s < counts_.size(); ++s) {
    for (std::int64_t i = 0; i < counts_[s]; ++i) {
      source_[position++] = static_cast<std::uint32_t>(s);
    }
  }
  RandomStream random(seed_, Purpose::source_pattern);
  for (std::size_t i = kPatternPeriod - 1; i > 0; --i) {
    std::swap(source_[i], source_[random.next_below(i + 1)]);
  }
  std::vector<std::uint32_t> seen(counts_.size(), 0);
  for (std::size_t p = 0; p < kPatternPeriod; ++p) rank_[p] = seen[source_[p]]++;
}

void Mixture::lay_validation() {
  validation_first_.push_back(0);
  std::int64_t bytes = 0;
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(context_) + 1);
  for (std::size_t s = 0; s < corpus_->sources(); ++s) {
    const std::int64_t count = windows_in(corpus_->tokens(s, kValidation), context_);
    validation_first_.push_back(validation_first_.back() + count);
    for (std::int64_t window = 0; window < count; ++window) {
      corpus_->read(s, kValidation, window * context_, tokens);
      for (std::size_t i = 1; i < tokens.size(); ++i) {
        bytes += static_cast<std::int64_t>(corpus_->tokenizer().bytes_of(tokens[i]).size());
      }
    }
  }
  require(validation_sequences() > 0,
          "the validation split has less than one sequence of context {}: prepare the corpus with "
          "a larger --validation",
          context_);
  validation_bytes_per_token_ =
      static_cast<double>(bytes) / (static_cast<double>(validation_sequences() * context_));
}

Mixture::Place Mixture::place(std::uint64_t g) const {
  const std::size_t p = g % kPatternPeriod;
  const std::size_t source = source_[p];
  const std::uint64_t index =
      g / kPatternPeriod * static_cast<std::uint64_t>(counts_[source]) + rank_[p];
  const std::uint64_t epoch = index / windows_[source];
  const Permutation permutation(windows_[source], seed_, static_cast<std::uint32_t>(source),
                                static_cast<std::uint32_t>(epoch));
  return {source, epoch, permutation(index % windows_[source])};
}

void Mixture::sequence(std::uint64_t g, std::span<std::int32_t> tokens) const {
  ISOFLOP_EXPECT(static_cast<std::int64_t>(tokens.size()) == context_ + 1);
  const Place from = place(g);
  corpus_->read(from.source, kTrain, static_cast<std::int64_t>(from.window) * context_, tokens);
}

void Mixture::validation_sequence(std::int64_t i, std::span<std::int32_t> tokens) const {
  ISOFLOP_EXPECT(static_cast<std::int64_t>(tokens.size()) == context_ + 1);
  ISOFLOP_EXPECT(i >= 0 && i < validation_sequences());
  std::size_t source = 0;
  while (i >= validation_first_[source + 1]) ++source;
  corpus_->read(source, kValidation, (i - validation_first_[source]) * context_, tokens);
}

std::int64_t Mixture::unique_tokens(std::int64_t tokens) const {
  const std::int64_t sequences = tokens / context_;
  const auto period = static_cast<std::int64_t>(kPatternPeriod);
  std::vector<std::int64_t> seen;
  for (const std::int64_t count : counts_) seen.push_back(sequences / period * count);
  for (std::int64_t p = 0; p < sequences % period; ++p) {
    ++seen[source_[static_cast<std::size_t>(p)]];
  }
  std::int64_t distinct = 0;
  for (std::size_t s = 0; s < seen.size(); ++s) distinct += std::min(seen[s], windows(s));
  return distinct * context_;
}

}  // namespace isoflop::data
