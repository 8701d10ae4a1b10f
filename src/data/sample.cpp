#include "data/sample.hpp"

#include <algorithm>
#include <memory>

#include "data/text_files.hpp"

namespace isoflop::data {
namespace {

constexpr std::int64_t kLeastBeginning = 64 << 10;
constexpr std::size_t kPieceBytes = 16 << 10;

struct Beginning {
  std::filesystem::path path;
  std::int64_t bytes;
};

std::vector<Beginning> choose(std::vector<Document> documents, std::int64_t share) {
  std::sort(documents.begin(), documents.end(),
            [](const Document& a, const Document& b) { return a.hash < b.hash; });
  const auto count = static_cast<std::int64_t>(documents.size());
  const std::int64_t most = std::max(kLeastBeginning, share / std::max(count, std::int64_t{1}));
  std::vector<Beginning> chosen;
  for (const Document& document : documents) {
    if (share <= 0) break;
    const std::int64_t bytes = std::min({document.bytes, most, share});
    chosen.push_back({document.path, bytes});
    share -= bytes;
  }
  return chosen;
}

std::string read_beginning(const Beginning& beginning) {
  std::string text(static_cast<std::size_t>(beginning.bytes), '\0');
  text.resize(TextReader(beginning.path).read(text.data(), text.size()));
  text.resize(utf8_prefix(text));
  return text;
}

/// Hands out the beginnings in pieces cut at line ends.
struct Sampler {
  explicit Sampler(ProgressSink sink) : progress(std::move(sink)) {}

  ProgressSink progress;
  std::vector<Beginning> beginnings;
  std::int64_t done = 0, total = 0;
  std::size_t next = 0;
  std::string text;
  std::size_t at = 0;

  bool operator()(std::string& piece) {
    while (at == text.size()) {
      if (next == beginnings.size()) return false;
      text = read_beginning(beginnings[next++]);
      at = 0;
      done += beginnings[next - 1].bytes;
      progress({"learning the tokenizer from", done, total});
    }
    std::string_view rest = std::string_view(text).substr(at);
    if (rest.size() > kPieceBytes) {
      rest = rest.substr(0, kPieceBytes);
      const std::size_t line_end = rest.find_last_of('\n');
      rest = rest.substr(0, line_end == std::string_view::npos ? utf8_prefix(rest) : line_end + 1);
    }
    piece = rest;
    at += rest.size();
    return true;
  }
};

}  // namespace

TextSample sample_text(const PrepareRequest& request, const Documents& documents,
                       const ProgressSink& progress) {
  std::vector<std::vector<Document>> train(request.sources.size());
  std::vector<double> weights(request.sources.size(), 0.0);
  for (const Document& document : documents.kept) {
    if (document.split != kTrain) continue;
    train[document.source].push_back(document);
    weights[document.source] += static_cast<double>(document.bytes);
  }
  double sum = 0;
  for (std::size_t s = 0; s < weights.size(); ++s) {
    weights[s] = request.sources[s].weight.value_or(weights[s]);
    sum += weights[s];
  }
  Sampler sampler(progress);
  for (std::size_t s = 0; s < weights.size(); ++s) {
    const double share = weights[s] / sum * static_cast<double>(request.sample_bytes);
    for (Beginning& beginning : choose(std::move(train[s]), static_cast<std::int64_t>(share))) {
      sampler.total += beginning.bytes;
      sampler.beginnings.push_back(std::move(beginning));
    }
  }
  return sampler;
}

}  // namespace isoflop::data
