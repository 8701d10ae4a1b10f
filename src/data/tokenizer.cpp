#include "data/tokenizer.hpp"

#include <array>
#include <charconv>

#include "core/error.hpp"

namespace isoflop::data {
namespace {

constexpr std::int32_t kBytes = 256;
constexpr std::int32_t kLeastBpe = 300;
constexpr std::int32_t kMostBpe = 1 << 20;

class ByteTokenizer final : public Tokenizer {
 public:
  std::string_view kind() const override { return "bytes"; }
  std::int32_t vocabulary() const override { return kBytes + 1; }
  std::int32_t boundary() const override { return kBytes; }
  std::string_view model() const override { return {}; }
  std::size_t safe_cut(std::string_view text) const override { return text.size(); }

  void encode(std::string_view text, std::vector<std::int32_t>& tokens) override {
    tokens.reserve(tokens.size() + text.size());
    for (const char byte : text) tokens.push_back(static_cast<unsigned char>(byte));
  }

  std::string_view bytes_of(std::int32_t token) const override {
    static const std::array<char, kBytes> all = [] {
      std::array<char, kBytes> bytes{};
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
      return bytes;
    }();
    if (token >= kBytes) return {};
    return {&all[static_cast<std::size_t>(token)], 1};
  }

  std::unique_ptr<Tokenizer> clone() const override { return make_byte_tokenizer(); }
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_tokenizer() { return std::make_unique<ByteTokenizer>(); }

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) {
  std::vector<std::int32_t> tokens;
  encode(text, tokens);
  return tokens;
}

std::string Tokenizer::decode(std::span<const std::int32_t> tokens) const {
  std::string text;
  for (const std::int32_t token : tokens) text += bytes_of(token);
  return text;
}

TokenizerChoice TokenizerChoice::parse(std::string_view text) {
  if (text == "bytes") return {};
  TokenizerChoice choice{true, 0};
  bool ok = text.starts_with("bpe:");
  if (ok) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 4, end, choice.vocabulary);
    ok = error == std::errc() && stop == end && choice.vocabulary >= kLeastBpe &&
         choice.vocabulary <= kMostBpe;
  }
  require(ok, "--tokenizer: seen '{}', needed 'bytes' or 'bpe:VOCAB' with VOCAB from {} to {}",
          text, kLeastBpe, kMostBpe);
  return choice;
}

}  // namespace isoflop::data
