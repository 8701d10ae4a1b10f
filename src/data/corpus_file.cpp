#include "data/corpus_file.hpp"

#include <nlohmann/json.hpp>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"
#include "core/version.hpp"

namespace isoflop::data {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kSchema = 1;

Json split_counts(const SourceContent& source, std::int64_t SplitContent::* count) {
  return {{kSplitNames[kTrain], source.splits[kTrain].*count},
          {kSplitNames[kValidation], source.splits[kValidation].*count}};
}

Json to_json(const SourceContent& source) {
  Json shards;
  for (const Split split : {kTrain, kValidation}) {
    Json list = Json::array();
    for (const Shard& shard : source.splits[split].shards) {
      list.push_back(
          {{"file", shard.file}, {"tokens", shard.tokens}, {"checksum", shard.checksum}});
    }
    shards[kSplitNames[split]] = list;
  }
  return {{"name", source.name},
          {"weight", source.weight ? Json(*source.weight) : Json(nullptr)},
          {"documents", split_counts(source, &SplitContent::documents)},
          {"bytes", split_counts(source, &SplitContent::bytes)},
          {"tokens", split_counts(source, &SplitContent::tokens)},
          {"shards", shards}};
}

Json to_json(const CorpusFile& corpus) {
  Json sources = Json::array();
  for (const SourceContent& source : corpus.sources) sources.push_back(to_json(source));
  const bool has_file = !corpus.tokenizer_file.empty();
  return {{"schema", kSchema},
          {"isoflop", {{"version", version()}, {"commit", commit()}}},
          {"tokenizer",
           {{"kind", corpus.tokenizer_kind},
            {"vocabulary", corpus.vocabulary},
            {"boundary", corpus.boundary},
            {"file", has_file ? Json(corpus.tokenizer_file) : Json(nullptr)},
            {"checksum", has_file ? Json(corpus.tokenizer_checksum) : Json(nullptr)}}},
          {"token_bytes", corpus.token_bytes},
          {"fingerprint", corpus.fingerprint},
          {"validation_fraction", corpus.validation_fraction},
          {"duplicates", corpus.duplicates},
          {"recipe",
           {{"request", corpus.recipe.request},
            {"files", corpus.recipe.files},
            {"documents", corpus.recipe.documents}}},
          {"sources", sources}};
}

SourceContent source_from(const Json& json) {
  SourceContent source;
  source.name = json.at("name").get<std::string>();
  if (!json.at("weight").is_null()) source.weight = json.at("weight").get<double>();
  for (const Split split : {kTrain, kValidation}) {
    const char* name = kSplitNames[split];
    SplitContent& content = source.splits[split];
    content.documents = json.at("documents").at(name).get<std::int64_t>();
    content.bytes = json.at("bytes").at(name).get<std::int64_t>();
    content.tokens = json.at("tokens").at(name).get<std::int64_t>();
    for (const Json& shard : json.at("shards").at(name)) {
      content.shards.push_back({shard.at("file").get<std::string>(),
                                shard.at("tokens").get<std::int64_t>(),
                                shard.at("checksum").get<std::string>()});
    }
  }
  return source;
}

std::string text_or_empty(const Json& json) {
  return json.is_null() ? std::string() : json.get<std::string>();
}

CorpusFile corpus_from(const Json& json) {
  CorpusFile corpus;
  const Json& tokenizer = json.at("tokenizer");
  corpus.tokenizer_kind = tokenizer.at("kind").get<std::string>();
  corpus.vocabulary = tokenizer.at("vocabulary").get<std::int32_t>();
  corpus.boundary = tokenizer.at("boundary").get<std::int32_t>();
  corpus.tokenizer_file = text_or_empty(tokenizer.at("file"));
  corpus.tokenizer_checksum = text_or_empty(tokenizer.at("checksum"));
  corpus.token_bytes = json.at("token_bytes").get<int>();
  corpus.fingerprint = json.at("fingerprint").get<std::string>();
  corpus.validation_fraction = json.at("validation_fraction").get<double>();
  corpus.duplicates = json.at("duplicates").get<std::int64_t>();
  corpus.made_by_version = json.at("isoflop").at("version").get<std::string>();
  corpus.made_by_commit = json.at("isoflop").at("commit").get<std::string>();
  const Json& recipe = json.at("recipe");
  corpus.recipe = {recipe.at("request").get<std::string>(), recipe.at("files").get<std::string>(),
                   recipe.at("documents").get<std::string>()};
  for (const Json& source : json.at("sources")) corpus.sources.push_back(source_from(source));
  return corpus;
}

void check(const CorpusFile& corpus, const std::string& name) {
  require(corpus.fingerprint == corpus_fingerprint(corpus),
          "{}: fingerprint is {}, but its content gives {}: the file was edited or damaged; run "
          "`isoflop data prepare` again with --force",
          name, corpus.fingerprint, corpus_fingerprint(corpus));
  require(corpus.vocabulary > 0 && corpus.boundary >= 0 && corpus.boundary < corpus.vocabulary &&
              corpus.token_bytes == token_bytes_for(corpus.vocabulary),
          "{}: vocabulary {}, boundary {} and {} bytes a token do not fit together", name,
          corpus.vocabulary, corpus.boundary, corpus.token_bytes);
  for (const SourceContent& source : corpus.sources) {
    for (const SplitContent& content : source.splits) {
      std::int64_t tokens = 0;
      for (const Shard& shard : content.shards) {
        require(shard.tokens > 0, "{}: shard {} has {} tokens", name, shard.file, shard.tokens);
        tokens += shard.tokens;
      }
      require(tokens == content.tokens, "{}: source '{}' has {} tokens, its shards {}", name,
              source.name, content.tokens, tokens);
    }
  }
}

}  // namespace

int token_bytes_for(std::int32_t vocabulary) { return vocabulary <= 65536 ? 2 : 4; }

std::string corpus_fingerprint(const CorpusFile& corpus) {
  Hasher hasher;
  hasher.add(fmt::format("{} {} {} {} {}\n", corpus.tokenizer_kind, corpus.vocabulary,
                         corpus.boundary, corpus.tokenizer_checksum, corpus.token_bytes));
  for (const SourceContent& source : corpus.sources) {
    hasher.add(fmt::format("{} {}\n", source.name,
                           source.weight ? fmt::format("{:.17g}", *source.weight) : "tokens"));
    for (const SplitContent& content : source.splits) {
      hasher.add(fmt::format("{} {}\n", content.documents, content.bytes));
      for (const Shard& shard : content.shards) {
        hasher.add(fmt::format("{} {}\n", shard.tokens, shard.checksum));
      }
    }
  }
  return hex(hasher.value());
}

void write_corpus_file(const std::filesystem::path& directory, const CorpusFile& corpus) {
  write_file_atomically(directory / kCorpusFileName, to_json(corpus).dump(2) + "\n");
}

CorpusFile parse_corpus_file(const std::string& text, const std::string& path) {
  CorpusFile corpus;
  try {
    const Json json = Json::parse(text);
    const int schema = json.at("schema").get<int>();
    require(schema == kSchema, "{}: schema {}, this program reads {}", path, schema, kSchema);
    corpus = corpus_from(json);
  } catch (const nlohmann::json::exception& error) {
    throw InputError(fmt::format(
        "{}: not a corpus description ({}); run `isoflop data prepare` again with --force", path,
        error.what()));
  }
  check(corpus, path);
  return corpus;
}

CorpusFile read_corpus_file(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kCorpusFileName;
  require(std::filesystem::is_regular_file(path),
          "{}: no corpus here; make one with `isoflop data prepare --out {}`", path.string(),
          shell_word(directory.string()));
  return parse_corpus_file(read_file(path), path.string());
}

}  // namespace isoflop::data
