#include "data/tokenizer.hpp"

#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <memory>

#include "core/error.hpp"

namespace isoflop::data {
namespace {

const std::string kText =
    "The quick brown fox jumps over the lazy dog, and the dog does not care.\n"
    "  for (int i = 0; i < count; ++i) {\n\n\t\tsum += values[i];   // running total\n  }\n"
    "A law, fitted to many small runs, predicts the loss of a large one; that is the whole idea.\n"
    "    return sum / count;\n}\n\n\n#include <vector>\r\nclass Widget final : public Base {};\n";

TextSample repeated(const std::string& text, int times) {
  return [text, left = times](std::string& piece) mutable {
    piece = text;
    return left-- > 0;
  };
}

const std::string& trained() {
  static const std::string model = train_bpe(400, repeated(kText, 20));
  return model;
}

void expect_round_trip(Tokenizer& tokenizer, const std::string& text) {
  const std::vector<std::int32_t> tokens = tokenizer.encode(text);
  EXPECT_EQ(tokenizer.decode(tokens), text);
  for (const std::int32_t token : tokens) {
    EXPECT_GE(token, 0);
    EXPECT_LT(token, tokenizer.vocabulary());
    EXPECT_NE(token, tokenizer.boundary());
  }
}

TEST(ByteTokenizer, TakesAnything) {
  const auto bytes = make_byte_tokenizer();
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  expect_round_trip(*bytes, all + kText);
  EXPECT_EQ(bytes->encode("A\xFF"), (std::vector<std::int32_t>{65, 255}));
  EXPECT_EQ(bytes->vocabulary(), 257);
  EXPECT_EQ(bytes->boundary(), 256);
  EXPECT_EQ(bytes->bytes_of(256), "");
}

TEST(BpeTokenizer, GivesBackEveryByteOfAnyUtf8Text) {
  const auto bpe = make_bpe_tokenizer(trained());
  EXPECT_EQ(bpe->vocabulary(), 400);
  using namespace std::string_literals;
  for (const std::string& text :
       {""s, " "s, "     "s, "\n"s, "\n\n\n \n"s, "\t\t x\t"s, "a\r\nb\r"s, "  lead and trail  "s,
        "nul \0 inside"s, "\xE2\x96\x81"s, " \xE2\x96\x81 a\xE2\x96\x81\xE2\x96\x81 "s,
        "naïve Ωmega 漢字 😀 \xEF\xBB\xBF"s, "<boundary> <unk> <0x41>"s, "\xC2\xA0\xE3\x80\x80"s,
        "\x01\x7F"s, "\xE2\x96\x84\xE2\x96\x85 a\xE2\x96\x85"s, std::string(5000, 'x'),
        std::string(5000, ' ') + "y", kText}) {
    expect_round_trip(*bpe, text);
  }
  EXPECT_LT(bpe->encode(kText).size(), kText.size() / 2);  // merges were learnt
}

TEST(BpeTokenizer, EncodesWordByWordWhatSentencePieceEncodesAsAWhole) {
  const auto bpe = make_bpe_tokenizer(trained());
  sentencepiece::SentencePieceProcessor whole;
  ASSERT_TRUE(whole.LoadFromSerializedProto(trained()).ok());
  std::string text = "  " + kText + kText + "    indented\n\n   } else {  ";
  std::vector<int> wanted;
  ASSERT_TRUE(whole.Encode(text, &wanted).ok());
  EXPECT_EQ(bpe->encode(text), wanted);
  EXPECT_EQ(bpe->encode(text), wanted);  // and again from the remembered words
}

TEST(BpeTokenizer, SafeCutsDoNotChangeTheTokens) {
  const auto bpe = make_bpe_tokenizer(trained());
  const std::vector<std::int32_t> wanted = bpe->encode(kText);
  for (std::size_t length = 1; length < kText.size(); ++length) {
    const std::size_t cut = bpe->safe_cut(std::string_view(kText).substr(0, length));
    ASSERT_GT(cut, 0u);
    if (cut == length) continue;  // no safe point in this prefix
    std::vector<std::int32_t> tokens = bpe->encode(std::string_view(kText).substr(0, cut));
    bpe->encode(std::string_view(kText).substr(cut), tokens);
    ASSERT_EQ(tokens, wanted) << "cut at " << cut;
  }
}

// A bar chart in a terminal, say: one of its signs means something else to SentencePiece.
TEST(BpeTokenizer, LearnsFromTextWithBlocks) {
  const std::string block = "\xE2\x96\x85";
  EXPECT_EQ(train_bpe(400, repeated(block + kText + block, 20)), trained());
  const auto with_blocks_alone = [&block, text = repeated(kText, 20),
                                  left = 3](std::string& piece) mutable {
    piece = block;
    return left-- > 0 || text(piece);
  };
  EXPECT_EQ(train_bpe(400, with_blocks_alone), trained());
}

TEST(BpeTokenizer, TrainingTwiceGivesTheSameModel) {
  EXPECT_EQ(train_bpe(400, repeated(kText, 20)), trained());
}

TEST(BpeTokenizer, SaysWhichVocabularyTheTextSupports) {
  const auto refusal = [](std::int32_t vocabulary, const TextSample& sample) -> std::string {
    try {
      train_bpe(vocabulary, sample);
    } catch (const InputError& error) {
      return error.what();
    }
    return "(trained)";
  };
  const std::string large = refusal(20000, repeated(kText, 3));
  EXPECT_NE(large.find("supports only"), std::string::npos) << large;
  const std::string small = refusal(300, repeated(kText, 3));
  EXPECT_NE(small.find("needs at least 3"), std::string::npos) << small;
  EXPECT_NE(refusal(300, [](std::string&) { return false; }).find("no text"), std::string::npos);
}

TEST(BpeTokenizer, RefusesWhatIsNoModel) {
  EXPECT_THROW(make_bpe_tokenizer("nonsense"), InputError);
  EXPECT_THROW(make_bpe_tokenizer(""), InputError);
}

TEST(TokenizerChoice, ParsesWhatIsAllowedAndRefusesTheRest) {
  EXPECT_FALSE(TokenizerChoice::parse("bytes").bpe);
  EXPECT_EQ(TokenizerChoice::parse("bpe:1024").vocabulary, 1024);
  for (const char* text : {"", "byte", "bpe", "bpe:", "bpe:x", "bpe:12x", "bpe:299", "bpe:-5",
                           "bpe:2000000", "bpe:99999999999"}) {
    EXPECT_THROW(TokenizerChoice::parse(text), InputError) << text;
  }
}

}  // namespace
}  // namespace isoflop::data
