#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/data.hpp"
#include "cli/files.hpp"
#include "core/atomic_file.hpp"
#include "data/corpus.hpp"

namespace isoflop::cli {
namespace {

constexpr std::size_t kSampleTokens = 120;

struct Options {
  std::string directory, json;
};

double per(std::int64_t a, std::int64_t b) {
  return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b);
}

/// One printable line of at most 100 characters or so.
std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text.substr(0, 100)) {
    if (c == '\n') {
      line += "\\n";
    } else if (c == '\t') {
      line += "\\t";
    } else {
      line += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
  }
  return line;
}

void print_table(const data::Corpus& corpus) {
  const data::CorpusFile& file = corpus.description();
  fmt::print("fingerprint  {} (all checksums verified)\n", file.fingerprint);
  fmt::print("tokenizer    {}, vocabulary {}, boundary {}, {} bytes a token\n", file.tokenizer_kind,
             file.vocabulary, file.boundary, file.token_bytes);
  fmt::print("made by      isoflop {} ({}); {} duplicate documents left out\n\n",
             file.made_by_version, file.made_by_commit, file.duplicates);
  fmt::print("{:<16} {:<10} {:>8} {:>10} {:>14} {:>14} {:>12}\n", "source", "split", "weight",
             "documents", "bytes", "tokens", "bytes/token");
  for (const data::SourceContent& source : file.sources) {
    for (const data::Split split : {data::kTrain, data::kValidation}) {
      const data::SplitContent& content = source.splits[split];
      fmt::print("{:<16} {:<10} {:>8} {:>10} {:>14} {:>14} {:>12.3f}\n", source.name,
                 data::kSplitNames[split],
                 source.weight ? fmt::format("{:.4g}", *source.weight) : "tokens",
                 content.documents, content.bytes, content.tokens,
                 per(content.bytes, content.tokens));
    }
  }
  fmt::print("\n");
}

void print_samples(const data::Corpus& corpus) {
  for (std::size_t s = 0; s < corpus.sources(); ++s) {
    const std::int64_t tokens = corpus.tokens(s, data::kTrain);
    for (const std::int64_t tenth : {1, 4, 7}) {
      const std::int64_t first = tokens * tenth / 10;
      std::vector<std::int32_t> sample(
          std::min<std::size_t>(kSampleTokens, static_cast<std::size_t>(tokens - first)));
      corpus.read(s, data::kTrain, first, sample);
      fmt::print("{:<16} {:>10}: {}\n", corpus.description().sources[s].name, first,
                 one_line(corpus.tokenizer().decode(sample)));
    }
  }
}

void inspect(const Options& options) {
  const auto corpus = data::Corpus::open(options.directory, data::Verify::everything);
  if (options.json != "-") {
    print_table(*corpus);
    print_samples(*corpus);
  }
  if (options.json.empty()) return;
  // corpus.json has the figures already: one schema for both
  const std::string content =
      read_file(std::filesystem::path(options.directory) / data::kCorpusFileName);
  if (options.json == "-") {
    fmt::print("{}", content);
  } else {
    write_output(options.json, content);
  }
}

}  // namespace

void add_data_inspect(CLI::App& data) {
  auto options = std::make_shared<Options>();
  CLI::App* app = data.add_subcommand(
      "inspect", "Verify a corpus and show what is in it: sources, sizes, samples of its text");
  app->add_option("DIR", options->directory, "corpus directory")->required();
  add_output(*app, "--json", options->json,
             "write the figures (those of corpus.json) to a file, or - for stdout");
  app->callback([options] { inspect(*options); });
}

}  // namespace isoflop::cli
