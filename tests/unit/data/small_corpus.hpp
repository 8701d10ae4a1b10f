// A corpus directory written by hand: any tokens, cut into shards of any size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/hash.hpp"
#include "data/corpus_file.hpp"

namespace isoflop::data::test {

struct SmallSource {
  std::string name;
  std::vector<std::uint16_t> train, validation;
  std::optional<double> weight = std::nullopt;
};

inline SplitContent write_shards(const std::filesystem::path& directory, const std::string& stem,
                                 const std::vector<std::uint16_t>& tokens, std::size_t shard) {
  SplitContent content;
  for (std::size_t first = 0; first < tokens.size(); first += shard) {
    const std::size_t count = std::min(shard, tokens.size() - first);
    const std::string_view bytes(reinterpret_cast<const char*>(&tokens[first]), 2 * count);
    const std::string file = stem + "-" + std::to_string(first) + ".bin";
    std::ofstream(directory / file, std::ios::binary) << bytes;
    content.shards.push_back({file, static_cast<std::int64_t>(count), hex(hash64(bytes))});
  }
  content.tokens = static_cast<std::int64_t>(tokens.size());
  content.bytes = content.tokens;
  content.documents = 1;
  return content;
}

/// Byte tokens 0..255 and the boundary 256; `shard` tokens a shard.
inline void write_small_corpus(const std::filesystem::path& directory,
                               const std::vector<SmallSource>& sources, std::size_t shard) {
  CorpusFile corpus;
  corpus.tokenizer_kind = "bytes";
  corpus.vocabulary = 257;
  corpus.boundary = 256;
  for (const SmallSource& source : sources) {
    corpus.sources.push_back(
        {source.name,
         source.weight,
         {write_shards(directory, source.name + "-train", source.train, shard),
          write_shards(directory, source.name + "-validation", source.validation, shard)}});
  }
  corpus.fingerprint = corpus_fingerprint(corpus);
  write_corpus_file(directory, corpus);
}

/// tokens[i] = (step * i + start) mod 256.
inline std::vector<std::uint16_t> ramp(std::size_t count, unsigned start, unsigned step) {
  std::vector<std::uint16_t> tokens(count);
  for (std::size_t i = 0; i < count; ++i) {
    tokens[i] = static_cast<std::uint16_t>((step * i + start) % 256);
  }
  return tokens;
}

}  // namespace isoflop::data::test
