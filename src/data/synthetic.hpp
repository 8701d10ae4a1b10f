// Tokens of known entropy: a random Markov chain of order k over V symbols, behind the interface of
// a corpus. The lowest loss that any model can reach is known exactly.
//
// Row s of the transition table (s: the last k symbols, one of V^k) is softmax(2 z), z standard
// normal, fixed by the process's seed; so every transition is possible and the chain has one
// stationary distribution pi (power iteration to 1e-14). Every sequence starts with k symbols from
// pi and is independent of all others, hence it is stationary from its first symbol.
//
//   entropy rate   h = - sum_s pi(s) sum_x p(x|s) ln p(x|s)                      nats/token
//   ideal loss     target t of a sequence (t = 1..T) sees t symbols before it: for t < k that is
//                  less than the process remembers, so its entropy is H(t+1) - H(t) with H(m) the
//                  entropy of m successive symbols (Cover and Thomas 2006, section 4.2); h from
//                  t = k on. ideal_loss(T) is the mean over t.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/token_source.hpp"

namespace isoflop::data {

struct SyntheticProcess {
  std::string kind = "markov";
  std::int64_t order = 1;     // k >= 1
  std::int64_t symbols = 16;  // V >= 2; V^(k+1) <= 2^24
  std::uint64_t seed = 1;
};

class Synthetic final : public TokenSource {
 public:
  /// `sample_seed` chooses the training sequences; the validation sequences (about
  /// `validation_tokens` targets) depend on the process alone. Throws InputError.
  Synthetic(const SyntheticProcess& process, std::int64_t context, std::uint64_t sample_seed,
            std::int64_t validation_tokens = 65536);

  std::int64_t vocabulary() const override { return process_.symbols; }
  std::int64_t context() const override { return context_; }
  const std::string& fingerprint() const override { return fingerprint_; }
  void sequence(std::uint64_t g, std::span<std::int32_t> tokens) const override;
  std::int64_t validation_sequences() const override { return validation_sequences_; }
  void validation_sequence(std::int64_t i, std::span<std::int32_t> tokens) const override;
  /// A symbol counts as one byte.
  double validation_bytes_per_token() const override { return 1.0; }
  /// Every sequence is fresh.
  std::int64_t unique_tokens(std::int64_t tokens) const override { return tokens; }

  std::optional<double> entropy() const override { return ideal_loss(context_); }

  double entropy_rate() const { return entropy_rate_; }
  double ideal_loss(std::int64_t context) const;

  /// p(x | state), state = sum over the last k symbols of symbol * V^(distance - 1).
  double transition(std::int64_t state, std::int64_t symbol) const;
  std::span<const double> stationary() const { return stationary_; }

 private:
  void draw_transitions();
  void find_stationary();
  double gram_entropy(std::int64_t length) const;  // H(length), length <= k
  void sample(std::uint64_t seed, std::uint32_t stream, std::uint64_t index,
              std::span<std::int32_t> tokens) const;

  SyntheticProcess process_;
  std::int64_t context_;
  std::uint64_t sample_seed_;
  std::int64_t validation_sequences_;
  std::int64_t states_ = 1;  // V^k
  std::string fingerprint_;
  std::vector<double> cumulative_;             // [V^k][V], last of a row is 1
  std::vector<double> stationary_;             // [V^k]
  std::vector<double> stationary_cumulative_;  // [V^k]
  double entropy_rate_ = 0;
};

}  // namespace isoflop::data
