#include <sentencepiece_processor.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "data/text_files.hpp"
#include "data/tokenizer.hpp"

namespace isoflop::data {
namespace {

constexpr std::string_view kBlank = "\xE2\x96\x81";  // U+2581, how SentencePiece writes a blank
constexpr std::size_t kRememberedWords = 1 << 16;
constexpr std::size_t kLongestRememberedWord = 64;

/// "▁a" -> " a".
std::string text_of_piece(std::string piece) {
  for (std::size_t at = 0; (at = piece.find(kBlank, at)) != std::string::npos; ++at) {
    piece.replace(at, kBlank.size(), 1, ' ');
  }
  return piece;
}

/// What the clones of a tokenizer share: nothing in it changes.
struct BpeModel {
  std::string file;
  sentencepiece::SentencePieceProcessor processor;
  std::vector<std::string> text;  // [vocabulary]
  std::vector<std::int32_t> byte_token = std::vector<std::int32_t>(256, -1);
  std::int32_t boundary = -1;

  explicit BpeModel(std::string content) : file(std::move(content)) {
    require(processor.LoadFromSerializedProto(file).ok(), "tokenizer: not a SentencePiece model");
    boundary = processor.eos_id();
    for (int id = 0; id < processor.GetPieceSize(); ++id) {
      const std::string& piece = processor.IdToPiece(id);
      if (processor.IsByte(id)) {  // "<0x41>"
        const int byte = std::stoi(piece.substr(3, 2), nullptr, 16);
        byte_token[static_cast<std::size_t>(byte)] = id;
        text.emplace_back(1, static_cast<char>(byte));
      } else if (processor.IsControl(id) || processor.IsUnknown(id)) {
        text.emplace_back();
      } else {
        text.push_back(text_of_piece(piece));
      }
    }
    require(
        boundary >= 0 && std::find(byte_token.begin(), byte_token.end(), -1) == byte_token.end(),
        "tokenizer: the SentencePiece model has no boundary or no byte pieces");
  }
};

/// The end of the word that begins at `at`: blanks, then anything up to the next blank.
std::size_t word_end(std::string_view text, std::size_t at) {
  at = text.find_first_not_of(' ', at);
  if (at == std::string_view::npos) return text.size();
  return std::min(text.find(' ', at), text.size());
}

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(std::shared_ptr<const BpeModel> model) : model_(std::move(model)) {}

  std::string_view kind() const override { return "bpe"; }
  std::int32_t vocabulary() const override {
    return static_cast<std::int32_t>(model_->text.size());
  }
  std::int32_t boundary() const override { return model_->boundary; }
  std::string_view model() const override { return model_->file; }

  std::string_view bytes_of(std::int32_t token) const override {
    return model_->text[static_cast<std::size_t>(token)];
  }

  std::unique_ptr<Tokenizer> clone() const override {
    return std::make_unique<BpeTokenizer>(model_);
  }

  /// Before the last run of blanks, where one word ends and another begins; without one (a text
  /// of one word) between two characters.
  std::size_t safe_cut(std::string_view text) const override {
    const std::size_t blank = text.find_last_of(' ');
    const std::size_t end =
        blank == std::string_view::npos ? blank : text.find_last_not_of(' ', blank);
    return end == std::string_view::npos ? utf8_prefix(text) : end + 1;
  }

  void encode(std::string_view text, std::vector<std::int32_t>& tokens) override {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = word_end(text, at);
      const std::string_view word = text.substr(at, end - at);
      at = end;
      if (word.size() > kLongestRememberedWord) {
        encode_word(word, tokens);
        continue;
      }
      if (words_.empty()) words_.resize(kRememberedWords);
      Word& known = words_[hash64(word) % kRememberedWords];
      if (known.text != word) {
        known.tokens.clear();
        encode_word(word, known.tokens);
        known.text = word;
      }
      tokens.insert(tokens.end(), known.tokens.begin(), known.tokens.end());
    }
  }

 private:
  struct Word {
    std::string text;
    std::vector<std::int32_t> tokens;
  };

  /// U+2581 itself would come back as a blank: it is written in byte pieces.
  void encode_word(std::string_view word, std::vector<std::int32_t>& tokens) {
    std::size_t mark = word.find(kBlank);
    while (mark != std::string_view::npos) {
      encode_plain(word.substr(0, mark), tokens);
      for (const char byte : kBlank) {
        tokens.push_back(model_->byte_token[static_cast<unsigned char>(byte)]);
      }
      word.remove_prefix(mark + kBlank.size());
      mark = word.find(kBlank);
    }
    encode_plain(word, tokens);
  }

  void encode_plain(std::string_view text, std::vector<std::int32_t>& tokens) {
    if (text.empty()) return;
    const auto status = model_->processor.Encode({text.data(), text.size()}, &pieces_);
    if (!status.ok()) throw Error(fmt::format("tokenizer: {}", status.ToString()));
    tokens.insert(tokens.end(), pieces_.begin(), pieces_.end());
  }

  std::shared_ptr<const BpeModel> model_;
  std::vector<Word> words_;  // by hash; a newer word takes the place of an older
  std::vector<int> pieces_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(std::string model) {
  return std::make_unique<BpeTokenizer>(std::make_shared<const BpeModel>(std::move(model)));
}

}  // namespace isoflop::data
