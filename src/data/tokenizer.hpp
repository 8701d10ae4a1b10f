// Text to tokens and back. For any input that a tokenizer accepts, decode(encode(text)) == text,
// byte for byte.
//
//   bytes   token = byte, 256 = document boundary; takes anything
//   bpe:V   SentencePiece BPE with V pieces in all: unknown, boundary, 256 byte pieces (for rare
//           characters), characters, merges; takes UTF-8. No normalisation, no added or removed
//           blanks; a piece never reaches from a word into the blanks that follow it (pieces are
//           " word", "word", "    "), hence words can be encoded one by one.
//
// The boundary token stands behind every document of a corpus; text never encodes to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isoflop::data {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// "bytes" or "bpe".
  virtual std::string_view kind() const = 0;
  virtual std::int32_t vocabulary() const = 0;
  virtual std::int32_t boundary() const = 0;

  /// Appends the tokens of `text` to `tokens`. Not thread safe (it remembers words): one clone a
  /// thread.
  virtual void encode(std::string_view text, std::vector<std::int32_t>& tokens) = 0;

  /// The bytes that a token stands for; empty for the boundary. Valid as long as the tokenizer.
  virtual std::string_view bytes_of(std::int32_t token) const = 0;

  virtual std::unique_ptr<Tokenizer> clone() const = 0;

  /// Content of the tokenizer file; empty for bytes, which needs none.
  virtual std::string_view model() const = 0;

  /// Where to cut a text of which more follows: a prefix that encodes to the same tokens alone as
  /// inside the whole; for a text that is one word, a prefix of whole characters.
  virtual std::size_t safe_cut(std::string_view text) const = 0;

  std::vector<std::int32_t> encode(std::string_view text);
  std::string decode(std::span<const std::int32_t> tokens) const;
};

std::unique_ptr<Tokenizer> make_byte_tokenizer();

/// From the content of a tokenizer file. Throws InputError when it is not one of ours.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(std::string model);

/// Gives the next piece of training text (UTF-8, at most 64 KiB), false at the end.
using TextSample = std::function<bool(std::string& text)>;

/// Trains a BPE model of `vocabulary` pieces and returns its file content: the same bytes for the
/// same sample. Throws InputError when the sample needs more pieces or supports fewer.
std::string train_bpe(std::int32_t vocabulary, const TextSample& sample);

/// What the user asked for: "bytes" or "bpe:VOCAB".
struct TokenizerChoice {
  bool bpe = false;
  std::int32_t vocabulary = 257;

  /// Throws InputError for anything else.
  static TokenizerChoice parse(std::string_view text);
};

}  // namespace isoflop::data
