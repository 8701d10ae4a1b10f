#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <memory>

#include "cli/data.hpp"
#include "cli/progress_bar.hpp"
#include "core/error.hpp"
#include "data/prepare.hpp"

namespace isoflop::cli {
namespace {

struct Options {
  std::vector<std::string> sources, weights;
  std::string tokenizer, out;
  data::PrepareRequest request;
};

/// "NAME=REST"; the name may not hold a '/', so that paths with '=' stay paths.
std::size_t name_length(const std::string& word) {
  const std::size_t equals = word.find('=');
  const bool named = equals != std::string::npos && equals > 0 && word.find('/') > equals;
  return named ? equals : std::string::npos;
}

std::vector<data::SourceRequest> parse_sources(const std::vector<std::string>& words) {
  std::vector<data::SourceRequest> sources;
  for (const std::string& word : words) {
    const std::size_t length = name_length(word);
    if (length != std::string::npos) {
      sources.push_back({word.substr(0, length), {word.substr(length + 1)}, std::nullopt});
    } else {
      require(
          !sources.empty(),
          "--source: seen '{}', needed NAME=GLOB, with letters, digits, '_', '-' and '.' in NAME",
          word);
      sources.back().globs.push_back(word);
    }
  }
  return sources;
}

void parse_weights(const std::vector<std::string>& words, data::PrepareRequest& request) {
  for (const std::string& word : words) {
    const std::size_t length = name_length(word);
    double weight = 0;
    bool ok = length != std::string::npos;
    if (ok) {
      const char* end = word.data() + word.size();
      const auto [stop, error] = std::from_chars(word.data() + length + 1, end, weight);
      ok = error == std::errc() && stop == end;
    }
    require(ok, "--weight: seen '{}', needed NAME=NUMBER", word);
    const std::string name = word.substr(0, length);
    data::SourceRequest* named = nullptr;
    for (data::SourceRequest& source : request.sources) {
      if (source.name == name) named = &source;
    }
    require(named != nullptr, "--weight {}: there is no source of that name", word);
    require(!named->weight, "--weight {}: source '{}' has a weight already: give one", word, name);
    named->weight = weight;
  }
}

void prepare(Options& options) {
  data::PrepareRequest& request = options.request;
  request.sources = parse_sources(options.sources);
  parse_weights(options.weights, request);
  request.tokenizer = data::TokenizerChoice::parse(options.tokenizer);
  request.out = std::filesystem::path(options.out).lexically_normal();
  if (!request.out.has_filename()) request.out = request.out.parent_path();
  data::PrepareResult result;
  {
    ProgressBar bar;
    result = data::prepare(request, [&bar](const data::Progress& progress) {
      bar.update(progress.stage, progress.done, progress.total);
    });
  }
  std::int64_t tokens = 0;
  for (const data::SourceContent& source : result.corpus.sources) {
    tokens += source.splits[data::kTrain].tokens;
  }
  fmt::print("{}: {}, {:.2f} M train tokens, {} duplicate documents left out, fingerprint {}\n",
             request.out.string(), result.made ? "made" : "is there already, from the same files",
             1e-6 * static_cast<double>(tokens), result.corpus.duplicates,
             result.corpus.fingerprint);
}

}  // namespace

void add_data_prepare(CLI::App& data) {
  auto options = std::make_shared<Options>();
  CLI::App* app = data.add_subcommand(
      "prepare",
      "Encode text files into a corpus directory. Every file is a document; *.gz is decompressed; "
      "equal documents are kept once; the split goes by the hash of the content. The same request "
      "over the same files does nothing the second time.");
  app->add_option(
         "--source", options->sources,
         "NAME=GLOB [GLOB...]: a source of text; folders stand for all files below them "
         "but hidden ones and those of --out, ** for any number of folders; repeat for more "
         "sources")
      ->required();
  app->add_option("--weight", options->weights,
                  "NAME=W: share of a source in training, any scale; for all sources or none "
                  "(then: in proportion to their tokens)");
  app->add_option("--tokenizer", options->tokenizer, "bytes, or bpe:VOCAB")->required();
  app->add_option("--out", options->out, "corpus directory")->required();
  app->add_option("--validation", options->request.validation_fraction,
                  "share of the documents kept for validation")
      ->capture_default_str();
  app->add_option("--threads", options->request.threads, "0: one a core; changes no token")
      ->capture_default_str();
  app->add_flag("--force", options->request.force, "replace another corpus in --out");
  app->callback([options] { prepare(*options); });
}

}  // namespace isoflop::cli
