#include "data/corpus.hpp"

#include <algorithm>
#include <array>
#include <bit>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/file_descriptor.hpp"
#include "core/hash.hpp"

namespace isoflop::data {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are read as they are");

void require_checksum(const std::string& path, const std::string& seen, const std::string& wanted) {
  require(seen == wanted,
          "{}: checksum is {}, corpus.json says {}: the corpus is damaged; run `isoflop data "
          "prepare` again with --force",
          path, seen, wanted);
}

// Returns the largest id: a vectorised maximum costs nothing beside the copy.
template <class Token>
std::uint32_t read_tokens(const ShardFile& file, std::int64_t index, std::span<std::int32_t> to) {
  constexpr std::size_t kPiece = 4096;
  std::array<Token, kPiece> tokens;
  Token largest = 0;
  while (!to.empty()) {
    const std::size_t count = std::min(kPiece, to.size());
    file.read(index * static_cast<std::int64_t>(sizeof(Token)),
              std::as_writable_bytes(std::span(tokens.data(), count)));
    for (std::size_t i = 0; i < count; ++i) {
      to[i] = static_cast<std::int32_t>(tokens[i]);
      largest = std::max(largest, tokens[i]);
    }
    to = to.subspan(count);
    index += static_cast<std::int64_t>(count);
  }
  return largest;
}

}  // namespace

std::shared_ptr<const Corpus> Corpus::open(const std::filesystem::path& directory, Verify verify) {
  std::shared_ptr<Corpus> corpus(new Corpus);
  corpus->description_ = read_corpus_file(directory);
  corpus->load_tokenizer(directory);
  std::int64_t bytes = 0;
  for (const SourceContent& source : corpus->description_.sources) {
    for (const SplitContent& content : source.splits) {
      bytes += content.tokens * corpus->description_.token_bytes;
    }
  }
  corpus->open_shards(directory, verify == Verify::everything || bytes <= kVerifiedBytes);
  return corpus;
}

void Corpus::open_shards(const std::filesystem::path& directory, bool verify) {
  std::size_t count = 0;
  for (const SourceContent& source : description_.sources)
    for (const SplitContent& content : source.splits) count += content.shards.size();
  allow_open_files(count);
  shards_.resize(description_.sources.size());
  for (std::size_t source = 0; source < shards_.size(); ++source) {
    for (const Split split : {kTrain, kValidation}) {
      std::int64_t first = 0;
      for (const Shard& shard : description_.sources[source].splits[split].shards) {
        const std::string path = directory / shard.file;
        const std::int64_t bytes = shard.tokens * description_.token_bytes;
        shards_[source][split].push_back({ShardFile(path, bytes), first});
        first += shard.tokens;
        if (verify) {
          const ShardFile& file = shards_[source][split].back().file;
          require_checksum(path, file.checksum(), shard.checksum);
        }
      }
    }
  }
}

void Corpus::load_tokenizer(const std::filesystem::path& directory) {
  if (description_.tokenizer_kind == "bytes") {
    tokenizer_ = make_byte_tokenizer();
  } else {
    require(description_.tokenizer_kind == "bpe" && !description_.tokenizer_file.empty(),
            "{}/corpus.json: tokenizer.kind: seen '{}', needed 'bytes' or 'bpe' with a file",
            directory.string(), description_.tokenizer_kind);
    const std::string path = directory / description_.tokenizer_file;
    require(std::filesystem::is_regular_file(path),
            "{}: the tokenizer is missing; run `isoflop data prepare` again with --force", path);
    const std::string content = read_file(path);
    require_checksum(path, hex(hash64(content)), description_.tokenizer_checksum);
    tokenizer_ = make_bpe_tokenizer(content);
  }
  require(tokenizer_->vocabulary() == description_.vocabulary &&
              tokenizer_->boundary() == description_.boundary,
          "{}/corpus.json: vocabulary {} and boundary {}, but the tokenizer has {} and {}",
          directory.string(), description_.vocabulary, description_.boundary,
          tokenizer_->vocabulary(), tokenizer_->boundary());
}

void Corpus::read(std::size_t source, Split split, std::int64_t first,
                  std::span<std::int32_t> tokens) const {
  const std::vector<OpenShard>& shards = shards_[source][split];
  ISOFLOP_EXPECT(first >= 0 &&
                 first + static_cast<std::int64_t>(tokens.size()) <= this->tokens(source, split));
  auto shard = std::upper_bound(
      shards.begin(), shards.end(), first,
      [](std::int64_t index, const OpenShard& open) { return index < open.first; });
  --shard;
  while (!tokens.empty()) {
    const std::int64_t index = first - shard->first;
    const std::int64_t there = shard->file.bytes() / description_.token_bytes - index;
    const std::size_t count = std::min(tokens.size(), static_cast<std::size_t>(there));
    const std::uint32_t largest =
        description_.token_bytes == 2
            ? read_tokens<std::uint16_t>(shard->file, index, tokens.first(count))
            : read_tokens<std::uint32_t>(shard->file, index, tokens.first(count));
    require(largest < static_cast<std::uint32_t>(description_.vocabulary),
            "{}: holds token {}, the vocabulary has {}: the corpus is damaged; run `isoflop data "
            "prepare` again",
            shard->file.path(), largest, description_.vocabulary);
    tokens = tokens.subspan(count);
    first += static_cast<std::int64_t>(count);
    ++shard;
  }
}

}  // namespace isoflop::data
