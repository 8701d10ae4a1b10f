#include "data/encoder.hpp"

#include <atomic>
#include <future>

#include "core/error.hpp"
#include "data/shard_writer.hpp"

namespace isoflop::data {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{4} << 20;  // of text a thread

/// A piece of a document; pieces are encoded apart and written in order.
struct Piece {
  std::size_t source;
  Split split;
  bool ends_document;
  std::string text;
  std::vector<std::int32_t> tokens;
};

class Encoder {
 public:
  Encoder(const Tokenizer& tokenizer, unsigned threads, std::int64_t shard_tokens,
          const std::filesystem::path& directory, std::vector<SourceContent>& sources,
          const ProgressSink& progress)
      : tokenizer_(tokenizer), sources_(sources), progress_(progress) {
    for (unsigned i = 0; i < threads; ++i) tokenizers_.push_back(tokenizer.clone());
    for (const SourceContent& source : sources) {
      for (const char* split : kSplitNames) {
        writers_.emplace_back(directory, fmt::format("{}-{}", source.name, split),
                              token_bytes_for(tokenizer.vocabulary()), shard_tokens);
      }
    }
  }

  void run(const std::vector<Document>& documents) {
    for (const Document& document : documents) total_ += document.bytes;
    for (const Document& document : documents) add(document);
    flush();
    for (std::size_t s = 0; s < sources_.size(); ++s) {
      for (const Split split : {kTrain, kValidation}) {
        sources_[s].splits[split].shards = writers_[2 * s + split].finish();
      }
    }
  }

 private:
  void add(const Document& document) {
    std::string text;  // read and not yet handed on
    const auto hand_on = [&](std::size_t length, bool ends) {
      batch_bytes_ += length;
      std::string rest = text.substr(length);
      text.resize(length);
      batch_.push_back({document.source, document.split, ends, std::move(text), {}});
      text = std::move(rest);
      if (batch_bytes_ >= kBatchBytes * tokenizers_.size()) flush();
    };
    const std::uint64_t hash = read_document(document.path, [&](std::string_view piece) {
      // what was read before is not the end of the document
      if (!text.empty()) hand_on(tokenizer_.safe_cut(text), false);
      text += piece;
    });
    if (hash != document.hash) {
      throw Error(fmt::format("{}: changed while it was being read; run again", document.path));
    }
    hand_on(text.size(), true);
    SplitContent& content = sources_[document.source].splits[document.split];
    ++content.documents;
    content.bytes += document.bytes;
  }

  void flush() {
    std::atomic<std::size_t> next = 0;
    const auto work = [&](Tokenizer& tokenizer) {
      for (std::size_t i = next++; i < batch_.size(); i = next++) {
        tokenizer.encode(batch_[i].text, batch_[i].tokens);
        if (batch_[i].ends_document) batch_[i].tokens.push_back(tokenizer.boundary());
      }
    };
    {
      std::vector<std::future<void>> workers;
      for (const auto& tokenizer : tokenizers_) {
        workers.push_back(std::async(std::launch::async, [&] { work(*tokenizer); }));
      }
      for (std::future<void>& worker : workers) worker.get();
    }
    for (const Piece& piece : batch_) {
      sources_[piece.source].splits[piece.split].tokens +=
          static_cast<std::int64_t>(piece.tokens.size());
      writers_[2 * piece.source + piece.split].write(piece.tokens);
    }
    done_ += static_cast<std::int64_t>(batch_bytes_);
    progress_({"encoding", done_, total_});
    batch_.clear();
    batch_bytes_ = 0;
  }

  const Tokenizer& tokenizer_;
  std::vector<SourceContent>& sources_;
  const ProgressSink& progress_;
  std::vector<std::unique_ptr<Tokenizer>> tokenizers_;  // one a thread
  std::vector<ShardWriter> writers_;                    // [source][split]
  std::vector<Piece> batch_;
  std::size_t batch_bytes_ = 0;
  std::int64_t done_ = 0, total_ = 0;
};

}  // namespace

void encode_documents(const std::vector<Document>& documents, const Tokenizer& tokenizer,
                      unsigned threads, std::int64_t shard_tokens,
                      const std::filesystem::path& directory, std::vector<SourceContent>& sources,
                      const ProgressSink& progress) {
  Encoder(tokenizer, threads, shard_tokens, directory, sources, progress).run(documents);
}

}  // namespace isoflop::data
