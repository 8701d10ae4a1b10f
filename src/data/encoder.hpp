// Encodes documents on several threads and writes them in order: the shards do not depend on the
// number of threads.
#pragma once

#include <filesystem>
#include <vector>

#include "data/documents.hpp"
#include "data/tokenizer.hpp"

namespace isoflop::data {

/// Fills in documents, bytes, tokens and shards of `sources` (names are set). Throws Error when a
/// file changed since it was scanned.
void encode_documents(const std::vector<Document>& documents, const Tokenizer& tokenizer,
                      unsigned threads, std::int64_t shard_tokens,
                      const std::filesystem::path& directory, std::vector<SourceContent>& sources,
                      const ProgressSink& progress);

}  // namespace isoflop::data
