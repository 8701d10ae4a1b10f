#include "data/documents.hpp"

#include <set>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "data/text_files.hpp"

namespace isoflop::data {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

void require_utf8(const std::filesystem::path& path, std::optional<std::int64_t> bad) {
  require(!bad,
          "{}: byte {} is not UTF-8, which bpe needs: convert the file (iconv -t UTF-8), leave it "
          "out, or use --tokenizer bytes",
          path.string(), bad.value_or(0));
}

Document scan(const InputFile& file, double validation_fraction, bool utf8) {
  Utf8Checker checker;
  std::int64_t bytes = 0;
  const std::uint64_t hash = read_document(file.path, [&](std::string_view piece) {
    bytes += static_cast<std::int64_t>(piece.size());
    if (utf8) require_utf8(file.path, checker.check(piece));
  });
  if (utf8) require_utf8(file.path, checker.finish());
  const bool validation = static_cast<double>(hash) * 0x1p-64 < validation_fraction;
  return {file.source, file.path, bytes, hash, validation ? kValidation : kTrain};
}

}  // namespace

std::uint64_t read_document(const std::filesystem::path& path,
                            const std::function<void(std::string_view)>& use) {
  TextReader reader(path);
  Hasher hasher;
  std::string buffer(kPieceBytes, '\0');
  std::size_t count = kPieceBytes;
  while (count == kPieceBytes) {
    count = reader.read(buffer.data(), kPieceBytes);
    const std::string_view piece(buffer.data(), count);
    hasher.add(piece);
    if (count > 0) use(piece);
  }
  return hasher.value();
}

Documents scan_documents(const std::vector<InputFile>& files, double validation_fraction, bool utf8,
                         const ProgressSink& progress) {
  std::int64_t total = 0, done = 0;
  for (const InputFile& file : files) total += file.bytes;
  Documents documents;
  std::set<std::pair<std::uint64_t, std::int64_t>> seen;  // hash and length
  Hasher hasher;
  for (const InputFile& file : files) {
    const Document document = scan(file, validation_fraction, utf8);
    hasher.add(fmt::format("{} {} {}\n", file.source, file.path, hex(document.hash)));
    if (document.bytes > 0 && seen.insert({document.hash, document.bytes}).second) {
      documents.kept.push_back(document);
    } else if (document.bytes > 0) {
      ++documents.duplicates;
    }
    done += file.bytes;
    progress({"reading", done, total});
  }
  documents.hash = hex(hasher.value());
  return documents;
}

}  // namespace isoflop::data
