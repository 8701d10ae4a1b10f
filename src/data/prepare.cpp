#include "data/prepare.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <set>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/processor.hpp"
#include "core/version.hpp"
#include "data/corpus.hpp"
#include "data/encoder.hpp"
#include "data/mixture.hpp"
#include "data/partial_directory.hpp"
#include "data/sample.hpp"
#include "data/text_files.hpp"

namespace isoflop::data {
namespace fs = std::filesystem;
namespace {

constexpr unsigned kMostThreads = 16;  // of those that nobody asked for
constexpr unsigned kMostThreadsAsked = 1024;

void check(const PrepareRequest& request) {
  require(!request.sources.empty(), "no source: give --source NAME=GLOB");
  std::set<std::string> names;
  std::size_t weights = 0;
  for (const SourceRequest& source : request.sources) {
    require(!source.name.empty() &&
                source.name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_-.") == std::string::npos,
            "source name '{}': letters, digits, '_', '-' and '.' are allowed", source.name);
    require(names.insert(source.name).second,
            "source '{}' is named twice: give all its globs after one --source {}=...", source.name,
            source.name);
    if (!source.weight) continue;
    ++weights;
    require(std::isfinite(*source.weight) && *source.weight > 0,
            "source '{}': weight {} is not a positive number", source.name, *source.weight);
  }
  require(weights == 0 || weights == request.sources.size(),
          "{} of {} sources have a weight: give one to all of them or to none", weights,
          request.sources.size());
  require(request.validation_fraction > 0 && request.validation_fraction < 1,
          "--validation: seen {}, needed a number between 0 and 1", request.validation_fraction);
  require(request.threads <= kMostThreadsAsked, "--threads: seen {}, needed at most {}",
          request.threads, kMostThreadsAsked);
  require(request.shard_tokens > 0, "shard size: seen {} tokens, needed more than 0",
          request.shard_tokens);
}

std::string request_hash(const PrepareRequest& request) {
  Hasher hasher;
  hasher.add(fmt::format("{} {} {:.17g} {} {}\n", request.tokenizer.bpe,
                         request.tokenizer.vocabulary, request.validation_fraction,
                         request.shard_tokens, request.sample_bytes));
  for (const SourceRequest& source : request.sources) {
    hasher.add(fmt::format("{} {:.17g}\n", source.name, source.weight.value_or(0)));
    for (const std::string& glob : source.globs) hasher.add(glob + "\n");
  }
  return hex(hasher.value());
}

InputFile look_at(std::size_t source, const fs::path& path) {
  struct stat facts{};
  if (::stat(path.c_str(), &facts) != 0) throw_system_error(path, "stat", errno);
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  return {source, path, facts.st_size, facts.st_ctim.tv_sec * kNanoseconds + facts.st_ctim.tv_nsec};
}

/// Whether files lie in the corpus, or in what an interrupted process left of it: no text, though a
/// folder of text may hold it.
class OwnFiles {
 public:
  explicit OwnFiles(const fs::path& out)
      : out_(replaceable_directory(out)), partial_(out_.string() + ".partial") {}

  bool has(const fs::path& file) {
    if (const fs::path folder = file.parent_path(); folder != folder_) {  // files come in order
      folder_ = folder;
      const fs::path place = fs::weakly_canonical(fs::absolute(file).parent_path());
      is_own_ = is_below(place, out_) || is_below(place, partial_);
    }
    return is_own_;
  }

 private:
  static bool is_below(const fs::path& place, const fs::path& folder) {
    return std::mismatch(folder.begin(), folder.end(), place.begin(), place.end()).first ==
           folder.end();
  }

  fs::path out_, partial_, folder_ = "/";
  bool is_own_ = false;
};

std::vector<InputFile> find_files(const PrepareRequest& request) {
  std::vector<InputFile> files;
  OwnFiles own(request.out);
  for (std::size_t s = 0; s < request.sources.size(); ++s) {
    std::set<fs::path> paths;
    for (const std::string& glob : request.sources[s].globs) {
      try {
        for (const fs::path& path : expand_glob(glob)) paths.insert(path);
      } catch (const InputError& error) {
        throw InputError(fmt::format("source '{}': {}", request.sources[s].name, error.what()));
      }
    }
    for (const fs::path& path : paths) {
      if (!own.has(path)) files.push_back(look_at(s, path));
    }
  }
  return files;
}

std::string files_hash(const std::vector<InputFile>& files) {
  Hasher hasher;
  for (const InputFile& file : files) {
    hasher.add(fmt::format("{} {} {} {}\n", file.source, file.path, file.bytes, file.changed));
  }
  return hex(hasher.value());
}

/// The corpus that is in `out` already, whole and undamaged.
std::optional<CorpusFile> find_corpus(const PrepareRequest& request) {
  const fs::path& out = request.out;
  if (!fs::exists(out)) return std::nullopt;
  require(fs::is_directory(out), "--out {}: is not a directory", out.string());
  if (fs::is_empty(out)) return std::nullopt;
  require(fs::exists(out / kCorpusFileName),
          "--out {}: holds other files and no corpus: choose another directory", out.string());
  try {
    return Corpus::open(out)->description();
  } catch (const InputError& error) {
    if (request.force) return std::nullopt;
    const std::string reason = error.what();
    const bool names_it = reason.find("--force") != std::string::npos;
    throw InputError(reason + (names_it ? "" : "; add --force to replace it"));
  }
}

/// Before a corpus is replaced: what else lies in its folder would go with it.
void require_nothing_beside(const fs::path& corpus) {
  if (!fs::exists(corpus)) return;
  const auto stranger = find_stranger(corpus);
  require(
      !stranger,
      "--out {}: holds {} beside the corpus, which --force would remove: move it away or choose "
      "another directory",
      corpus.string(), stranger.value_or(""));
}

void require_validation(const PrepareRequest& request, const Documents& documents) {
  for (std::size_t s = 0; s < request.sources.size(); ++s) {
    std::array<std::int64_t, 2> count{};
    double lowest = 1, highest = 0;  // share of the hash range
    for (const Document& document : documents.kept) {
      if (document.source != s) continue;
      ++count[document.split];
      const double share = static_cast<double>(document.hash) * 0x1p-64;
      lowest = std::min(lowest, share);
      highest = std::max(highest, share);
    }
    const std::string& name = request.sources[s].name;
    const std::int64_t all = count[kTrain] + count[kValidation];
    require(
        all >= 2,
        "source '{}' has {} document(s) after duplicates and empty files are left out, needed 2 "
        "(one to train, one to validate): cut it into several files",
        name, all);
    require(count[kValidation] > 0,
            "source '{}': none of its {} documents falls to validation with --validation {}: use "
            "--validation {:.4f} or more",
            name, all, request.validation_fraction, lowest + 0.0001);
    require(count[kTrain] > 0,
            "source '{}': all of its {} documents fall to validation with --validation {}: use "
            "--validation {:.4f} or less",
            name, all, request.validation_fraction, highest - 0.0001);
  }
}

CorpusFile describe(const PrepareRequest& request, const Tokenizer& tokenizer,
                    const Documents& documents) {
  CorpusFile corpus;
  corpus.tokenizer_kind = tokenizer.kind();
  corpus.vocabulary = tokenizer.vocabulary();
  corpus.boundary = tokenizer.boundary();
  if (!tokenizer.model().empty()) {
    corpus.tokenizer_file = kTokenizerFileName;
    corpus.tokenizer_checksum = hex(hash64(tokenizer.model()));
  }
  corpus.token_bytes = token_bytes_for(corpus.vocabulary);
  corpus.validation_fraction = request.validation_fraction;
  corpus.duplicates = documents.duplicates;
  corpus.made_by_version = version();
  corpus.made_by_commit = commit();
  for (const SourceRequest& source : request.sources) {
    corpus.sources.push_back({source.name, source.weight, {}});
  }
  return corpus;
}

/// Refuses shares that training could not honour, before the corpus is there.
void require_shares(const CorpusFile& corpus) {
  std::vector<double> weights;
  std::vector<std::string> names;
  for (const SourceContent& source : corpus.sources) {
    weights.push_back(source.weight.value_or(static_cast<double>(source.splits[kTrain].tokens)));
    names.push_back(source.name);
  }
  pattern_counts(weights, names);
}

CorpusFile make(const PrepareRequest& request, const Documents& documents, const Recipe& recipe,
                const ProgressSink& progress) {
  const std::unique_ptr<Tokenizer> tokenizer =
      request.tokenizer.bpe
          ? make_bpe_tokenizer(
                train_bpe(request.tokenizer.vocabulary, sample_text(request, documents, progress)))
          : make_byte_tokenizer();
  CorpusFile corpus = describe(request, *tokenizer, documents);
  corpus.recipe = recipe;
  const unsigned cores = std::min(static_cast<unsigned>(usable_cores()), kMostThreads);
  PartialDirectory partial(request.out);
  require(
      request.force || !fs::exists(request.out / kCorpusFileName),
      "--out {}: another process has made a corpus there meanwhile: run the same command again, "
      "or choose another directory",
      request.out.string());
  if (!corpus.tokenizer_file.empty()) {
    write_file_atomically(partial.path() / kTokenizerFileName, tokenizer->model());
  }
  encode_documents(documents.kept, *tokenizer, request.threads == 0 ? cores : request.threads,
                   request.shard_tokens, partial.path(), corpus.sources, progress);
  require_shares(corpus);
  corpus.fingerprint = corpus_fingerprint(corpus);
  write_corpus_file(partial.path(), corpus);
  partial.publish();
  return corpus;
}

}  // namespace

PrepareResult prepare(const PrepareRequest& request, const ProgressSink& progress) {
  check(request);
  replaceable_directory(request.out);  // before the work, not after it
  const std::vector<InputFile> files = find_files(request);
  Recipe recipe{request_hash(request), files_hash(files), {}};
  const std::optional<CorpusFile> found = find_corpus(request);
  const bool same_request = found && found->recipe.request == recipe.request;
  if (same_request && found->recipe.files == recipe.files) return {false, *found};
  require(!found || same_request || request.force,
          "--out {}: holds a corpus that was prepared in another way: choose another directory, or "
          "--force to replace it",
          request.out.string());
  if (!same_request) require_nothing_beside(request.out);  // before the work
  const Documents documents =
      scan_documents(files, request.validation_fraction, request.tokenizer.bpe, progress);
  recipe.documents = documents.hash;
  if (same_request && found->recipe.documents == recipe.documents) return {false, *found};
  require(!found || request.force,
          "--out {}: holds a corpus of other text, the files have changed since: choose another "
          "directory, or --force to replace it",
          request.out.string());
  require_nothing_beside(request.out);
  require_validation(request, documents);
  return {true, make(request, documents, recipe, progress)};
}

}  // namespace isoflop::data
