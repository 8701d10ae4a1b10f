// The text that a tokenizer is trained on.
#pragma once

#include "data/documents.hpp"
#include "data/prepare.hpp"
#include "data/tokenizer.hpp"

namespace isoflop::data {

/// About request.sample_bytes of train text, shared among the sources by their weights (or bytes).
/// Within a source, documents are taken in the order of their hashes until its share is full, each
/// with its beginning only: its even part of the share, at least 64 KiB.
TextSample sample_text(const PrepareRequest& request, const Documents& documents,
                       const ProgressSink& progress);

}  // namespace isoflop::data
