// Where training and validation tokens come from: a prepared corpus (mixture.hpp) or a random
// process of known entropy (synthetic.hpp). The trainer knows only this interface.
//
// A sequence is T+1 consecutive tokens: inputs are tokens 0..T-1, targets are tokens 1..T, where T
// is the context the source was made for. Sequence g (g = 0, 1, 2, ... in the order of training)
// is a pure function of the source, its seed and g: it does not depend on ranks, batch size or the
// length of the run. So global batch b of B sequences is g = b*B .. b*B+B-1, on any layout.
//
// Calls are const, allocate nothing and may run on several threads at once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace isoflop::data {

class TokenSource {
 public:
  virtual ~TokenSource() = default;

  /// Tokens are 0 .. vocabulary()-1.
  virtual std::int64_t vocabulary() const = 0;

  /// T: targets a sequence.
  virtual std::int64_t context() const = 0;

  /// 16 hexadecimal digits that change whenever any token of any sequence might, seed apart.
  virtual const std::string& fingerprint() const = 0;

  /// Fills tokens[T+1] with training sequence g.
  virtual void sequence(std::uint64_t g, std::span<std::int32_t> tokens) const = 0;

  /// The validation set: a fixed list of sequences, the same for every seed.
  virtual std::int64_t validation_sequences() const = 0;

  /// Fills tokens[T+1] with validation sequence i, 0 <= i < validation_sequences().
  virtual void validation_sequence(std::int64_t i, std::span<std::int32_t> tokens) const = 0;

  /// Bytes of text behind the validation targets / number of validation targets:
  /// bits_per_byte = loss / (ln 2 * validation_bytes_per_token()), exactly.
  virtual double validation_bytes_per_token() const = 0;

  /// Distinct training targets among the first `tokens` targets (tokens = sequences * T).
  virtual std::int64_t unique_tokens(std::int64_t tokens) const = 0;

  /// The lowest loss that any model can reach, nats/token; nothing: nobody knows.
  virtual std::optional<double> entropy() const { return std::nullopt; }

  /// Average number of times that a target was seen: tokens / unique_tokens(tokens).
  double epochs(std::int64_t tokens) const {
    return tokens == 0 ? 0.0
                       : static_cast<double>(tokens) / static_cast<double>(unique_tokens(tokens));
  }
};

}  // namespace isoflop::data
