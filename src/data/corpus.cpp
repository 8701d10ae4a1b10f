#include "data/corpus.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"

namespace isoflop::data {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are mapped as they are");

/// Maps a whole file for reading. Throws InputError unless it has the wanted size.
const std::byte* map_file(const std::string& path, std::int64_t bytes) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require(descriptor >= 0, "{}: cannot be opened ({}); run `isoflop data prepare` again", path,
          std::strerror(errno));
  struct stat status{};
  const bool known = ::fstat(descriptor, &status) == 0;
  const std::int64_t seen = known ? static_cast<std::int64_t>(status.st_size) : -1;
  void* data = MAP_FAILED;
  if (seen == bytes) {
    data = ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ, MAP_SHARED, descriptor, 0);
  }
  ::close(descriptor);
  require(seen == bytes,
          "{}: has {} bytes, corpus.json says {}: the corpus is truncated or damaged; run "
          "`isoflop data prepare` again",
          path, seen, bytes);
  if (data == MAP_FAILED) {
    throw Error(fmt::format("{}: cannot be mapped ({})", path, std::strerror(errno)));
  }
  return static_cast<const std::byte*>(data);
}

void require_checksum(const std::string& path, const std::string& seen, const std::string& wanted) {
  require(seen == wanted,
          "{}: checksum is {}, corpus.json says {}: the corpus is damaged; run `isoflop data "
          "prepare` again",
          path, seen, wanted);
}

// Of a mapped file. Pages go back as soon as they are read, so that checking a corpus does not
// count as memory of the run.
std::string checksum_of(const std::byte* data, std::size_t bytes) {
  constexpr std::size_t kPiece = std::size_t{8} << 20;
  Hasher hasher;
  for (std::size_t at = 0; at < bytes; at += kPiece) {
    const std::span piece(data + at, std::min(kPiece, bytes - at));
    hasher.add(piece);
    ::madvise(const_cast<std::byte*>(piece.data()), piece.size(), MADV_DONTNEED);
  }
  return hex(hasher.value());
}

// Returns the largest id: a vectorised maximum costs nothing beside the copy.
template <class Token>
Token copy_tokens(const std::byte* from, std::int64_t index, std::span<std::int32_t> to) {
  const Token* tokens = reinterpret_cast<const Token*>(from) + index;
  Token largest = 0;
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = static_cast<std::int32_t>(tokens[i]);
    largest = std::max(largest, tokens[i]);
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
  corpus->map_shards(directory, verify == Verify::everything || bytes <= kVerifiedBytes);
  return corpus;
}

Corpus::~Corpus() {
  for (const auto& splits : shards_) {
    for (const auto& shards : splits) {
      for (const Mapping& shard : shards) {
        ::munmap(const_cast<std::byte*>(shard.data), static_cast<std::size_t>(shard.bytes));
      }
    }
  }
}

void Corpus::map_shards(const std::filesystem::path& directory, bool verify) {
  shards_.resize(description_.sources.size());
  for (std::size_t source = 0; source < shards_.size(); ++source) {
    for (const Split split : {kTrain, kValidation}) {
      std::int64_t first = 0;
      for (const Shard& shard : description_.sources[source].splits[split].shards) {
        const std::string path = directory / shard.file;
        const std::int64_t bytes = shard.tokens * description_.token_bytes;
        const std::byte* data = map_file(path, bytes);
        shards_[source][split].push_back({data, bytes, first, path});
        first += shard.tokens;
        if (verify) {
          require_checksum(path, checksum_of(data, static_cast<std::size_t>(bytes)),
                           shard.checksum);
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
            "{}: the tokenizer is missing; run `isoflop data prepare` again", path);
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
  const std::vector<Mapping>& shards = shards_[source][split];
  ISOFLOP_EXPECT(first >= 0 &&
                 first + static_cast<std::int64_t>(tokens.size()) <= this->tokens(source, split));
  auto shard = std::upper_bound(
      shards.begin(), shards.end(), first,
      [](std::int64_t index, const Mapping& mapping) { return index < mapping.first; });
  --shard;
  while (!tokens.empty()) {
    const std::int64_t index = first - shard->first;
    const std::int64_t there = shard->bytes / description_.token_bytes - index;
    const std::size_t count = std::min(tokens.size(), static_cast<std::size_t>(there));
    const std::uint32_t largest =
        description_.token_bytes == 2
            ? copy_tokens<std::uint16_t>(shard->data, index, tokens.first(count))
            : copy_tokens<std::uint32_t>(shard->data, index, tokens.first(count));
    require(largest < static_cast<std::uint32_t>(description_.vocabulary),
            "{}: holds token {}, the vocabulary has {}: the corpus is damaged; run `isoflop data "
            "prepare` again",
            shard->path, largest, description_.vocabulary);
    tokens = tokens.subspan(count);
    first += static_cast<std::int64_t>(count);
    ++shard;
  }
}

}  // namespace isoflop::data
