#include <sentencepiece_trainer.h>

#include <regex>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "data/tokenizer.hpp"

namespace isoflop::data {
namespace {

/// U+2585: SentencePiece's own sign. It learns nothing from a piece of text that holds it.
constexpr std::string_view kReserved = "\xE2\x96\x85";

std::string without_reserved(std::string text) {
  for (std::size_t at = 0; (at = text.find(kReserved, at)) != std::string::npos;)
    text.erase(at, kReserved.size());
  return text;
}

/// Feeds a TextSample to SentencePiece.
class SampleIterator final : public sentencepiece::SentenceIterator {
 public:
  explicit SampleIterator(const TextSample& sample) : sample_(sample) { Next(); }

  bool done() const override { return done_; }
  void Next() override {
    done_ = !sample_(text_);
    text_ = without_reserved(std::move(text_));
  }
  const std::string& value() const override { return text_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const TextSample& sample_;
  std::string text_;
  bool done_ = false;
};

std::unordered_map<std::string, std::string> settings(std::int32_t vocabulary) {
  return {{"model_type", "bpe"},
          {"vocab_size", std::to_string(vocabulary)},
          {"byte_fallback", "true"},
          {"character_coverage", "0.9995"},
          // the text as it is
          {"normalization_rule_name", "identity"},
          {"add_dummy_prefix", "false"},
          {"remove_extra_whitespaces", "false"},
          {"allow_whitespace_only_pieces", "true"},
          // unknown (never used, required by SentencePiece) and the document boundary
          {"unk_id", "0"},
          {"eos_id", "1"},
          {"eos_piece", "<boundary>"},
          {"bos_id", "-1"},
          {"pad_id", "-1"},
          // the same model for the same sample
          {"num_threads", "1"},
          {"shuffle_input_sentence", "false"},
          {"max_sentence_length", "1000000"},
          {"hard_vocab_limit", "false"},
          {"minloglevel", "3"}};
}

}  // namespace

std::string train_bpe(std::int32_t vocabulary, const TextSample& sample) {
  SampleIterator iterator(sample);
  require(!iterator.done(), "bpe:{}: there is no text to learn it from", vocabulary);
  std::string model;
  const auto status =
      sentencepiece::SentencePieceTrainer::Train(settings(vocabulary), &iterator, &model);
  const std::string message = status.ToString();
  // "... Vocabulary size is smaller than required_chars. 300 vs 355. ..."
  std::smatch match;
  if (std::regex_search(message, match,
                        std::regex("smaller than required_chars\\. \\d+ vs (\\d+)"))) {
    throw InputError(fmt::format(
        "bpe:{}: this text needs at least {} pieces (256 bytes, 2 marks and its characters): ask "
        "for bpe:{} or more",
        vocabulary, match[1].str(), match[1].str()));
  }
  if (!status.ok()) throw Error(fmt::format("bpe:{}: SentencePiece: {}", vocabulary, message));
  const std::int32_t pieces = make_bpe_tokenizer(model)->vocabulary();
  require(pieces == vocabulary,
          "bpe:{}: this text supports only {} pieces: ask for bpe:{} or less, or give more text",
          vocabulary, pieces, pieces);
  return model;
}

}  // namespace isoflop::data
