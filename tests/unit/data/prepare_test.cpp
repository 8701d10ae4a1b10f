#include "data/prepare.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include <fstream>
#include <map>
#include <utility>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "data/corpus.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/harness/small_disk.hpp"

namespace isoflop::data {
namespace {

namespace fs = std::filesystem;

const ProgressSink kQuiet = [](const Progress&) {};

class PrepareTest : public testing::Test {
 protected:
  PrepareTest() {
    for (int i = 0; i < 40; ++i) {
      write("english/" + std::to_string(i) + ".txt",
            "Document number " + std::to_string(i) +
                " says that the loss falls as a power of the compute.\n\n  Indented line\twith "
                "tab.\n");
      write("code/deep/er/" + std::to_string(i) + ".hpp", "// header " + std::to_string(i) +
                                                              "\nint value() {\n    return " +
                                                              std::to_string(i * i) + ";\n}\n");
    }
    request_.sources = {{"english", {path("english/*.txt")}, std::nullopt},
                        {"code", {path("code/**/*.hpp")}, std::nullopt}};
    request_.out = root() / "corpus";
    request_.validation_fraction = 0.2;
    request_.threads = 2;
  }

  fs::path root() const { return scratch_.path(); }
  std::string path(const std::string& name) const { return root() / name; }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root() / name).parent_path());
    std::ofstream(root() / name, std::ios::binary) << text;
  }

  PrepareResult prepare_now() { return prepare(request_, kQuiet); }

  std::string refusal() {
    try {
      prepare_now();
    } catch (const InputError& error) {
      return error.what();
    }
    return "(prepared)";
  }

  /// A refusal of one line that holds `part` and leaves nothing behind.
  void expect_refused(const std::string& part) {
    const std::string line = refusal();
    EXPECT_NE(line.find(part), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    EXPECT_FALSE(fs::exists(request_.out));
    EXPECT_FALSE(fs::exists(request_.out.string() + ".partial"));
  }

  /// The decoded documents of a corpus, sorted, and those of the files.
  std::vector<std::string> corpus_documents(const Corpus& corpus, Split split) {
    std::vector<std::string> documents;
    for (std::size_t s = 0; s < corpus.sources(); ++s) {
      std::vector<std::int32_t> tokens(static_cast<std::size_t>(corpus.tokens(s, split)));
      corpus.read(s, split, 0, tokens);
      std::string text;
      for (const std::int32_t token : tokens) {
        text += corpus.tokenizer().bytes_of(token);
        if (token != corpus.tokenizer().boundary()) continue;
        documents.push_back(text);
        text.clear();
      }
      EXPECT_EQ(text, "") << "the last document has no boundary";
    }
    std::sort(documents.begin(), documents.end());
    return documents;
  }

  std::vector<std::string> all_documents(const Corpus& corpus) {
    std::vector<std::string> all = corpus_documents(corpus, kTrain);
    for (std::string& text : corpus_documents(corpus, kValidation)) all.push_back(std::move(text));
    std::sort(all.begin(), all.end());
    return all;
  }

  std::vector<std::string> file_documents() {
    std::vector<std::string> all;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root())) {
      const fs::path name = entry.path().extension();
      if (name == ".txt" || name == ".hpp") all.push_back(read_file(entry.path()));
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  isoflop::test::ScratchDirectory scratch_;
  PrepareRequest request_;
};

TEST_F(PrepareTest, TheCorpusHoldsEveryDocumentOnce) {
  request_.shard_tokens = 700;
  for (const bool bpe : {false, true}) {
    request_.tokenizer = {bpe, bpe ? 340 : 257};
    request_.force = true;
    const PrepareResult result = prepare_now();
    EXPECT_TRUE(result.made);
    const auto corpus = Corpus::open(request_.out);
    EXPECT_EQ(corpus->fingerprint(), result.corpus.fingerprint);
    EXPECT_EQ(all_documents(*corpus), file_documents());
    const SourceContent& english = corpus->description().sources[0];
    EXPECT_EQ(english.splits[kTrain].documents + english.splits[kValidation].documents, 40);
    EXPECT_EQ(english.splits[kTrain].documents,
              static_cast<std::int64_t>(corpus_documents(*corpus, kTrain).size()) -
                  corpus->description().sources[1].splits[kTrain].documents);
    EXPECT_GT(english.splits[kTrain].shards.size(), 1u);
    EXPECT_FALSE(fs::exists(request_.out.string() + ".partial"));
  }
}

TEST_F(PrepareTest, ALinkStaysOne) {
  fs::create_directory(root() / "scratch");
  fs::create_directory_symlink(root() / "scratch", request_.out);
  prepare_now();
  request_.tokenizer = {true, 340};
  request_.force = true;
  prepare_now();
  EXPECT_TRUE(fs::is_symlink(request_.out));
  EXPECT_EQ(Corpus::open(root() / "scratch")->vocabulary(), 340);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root())) {
    const std::string name = entry.path().filename();
    EXPECT_TRUE(name != "lock" && !name.ends_with(".partial")) << entry.path();
  }
}

TEST_F(PrepareTest, WhatKilledProcessesMovedAsideIsRemoved) {
  write("corpus.host.1.partial/corpus.json", "old");
  write("corpus.host.2.partial/lock", "");
  write("corpus.toml.partial", "a file");
  write("corpora.host.1.partial/corpus.json", "of another name");
  prepare_now();
  EXPECT_FALSE(fs::exists(root() / "corpus.host.1.partial"));
  EXPECT_FALSE(fs::exists(root() / "corpus.host.2.partial"));
  EXPECT_TRUE(fs::exists(root() / "corpus.toml.partial"));
  EXPECT_TRUE(fs::exists(root() / "corpora.host.1.partial"));
}

TEST_F(PrepareTest, RefusesAPlaceThatCannotBeReplaced) {
  request_.out = "";
  EXPECT_NE(refusal().find("seen an empty name"), std::string::npos) << refusal();
  const fs::path before = fs::current_path();
  fs::create_directory(root() / "here");
  fs::current_path(root() / "here");
  request_.out = "../here";
  EXPECT_NE(refusal().find("--out ../here: is the folder you are in"), std::string::npos)
      << refusal();
  fs::current_path(before);
  request_.out = root() / "link";
  fs::create_directory_symlink(root() / "nowhere", request_.out);
  EXPECT_NE(refusal().find("which is not there: make that folder"), std::string::npos) << refusal();
  request_.out = "/proc";
  EXPECT_NE(refusal().find("a file system is mounted there"), std::string::npos) << refusal();
}

TEST_F(PrepareTest, ThreadsDoNotChangeTheCorpus) {
  std::vector<std::string> fingerprints;
  write("english/long.txt", std::string((1 << 20) + 5, 'x') + " end");  // cut into several pieces
  for (const unsigned threads : {1u, 3u}) {
    request_.tokenizer = {true, 340};
    request_.threads = threads;
    request_.out = path("corpus" + std::to_string(threads));
    fingerprints.push_back(prepare_now().corpus.fingerprint);
  }
  EXPECT_EQ(fingerprints[0], fingerprints[1]);
  EXPECT_EQ(all_documents(*Corpus::open(request_.out)), file_documents());
}

TEST_F(PrepareTest, EqualDocumentsAreKeptOnceAndStayOnOneSide) {
  prepare_now();
  const auto before = corpus_documents(*Corpus::open(request_.out), kValidation);
  for (int i = 0; i < 40; ++i) {
    fs::copy_file(path("english/" + std::to_string(i) + ".txt"),
                  path("english/copy" + std::to_string(i) + ".txt"));
  }
  request_.force = true;
  EXPECT_EQ(prepare_now().corpus.duplicates, 40);
  EXPECT_EQ(corpus_documents(*Corpus::open(request_.out), kValidation), before);
}

TEST_F(PrepareTest, TheSameRequestDoesNothingTwice) {
  const std::string first = prepare_now().corpus.fingerprint;
  const auto written = fs::last_write_time(request_.out / kCorpusFileName);
  EXPECT_FALSE(prepare_now().made);
  // touched, not changed
  fs::last_write_time(path("english/1.txt"), fs::file_time_type::clock::now());
  EXPECT_FALSE(prepare_now().made);
  EXPECT_EQ(fs::last_write_time(request_.out / kCorpusFileName), written);

  write("english/1.txt", "Something else.");
  EXPECT_NE(refusal().find("the files have changed"), std::string::npos) << refusal();
  EXPECT_EQ(Corpus::open(request_.out)->fingerprint(), first);
  request_.force = true;
  const PrepareResult changed = prepare_now();
  EXPECT_TRUE(changed.made);
  EXPECT_NE(changed.corpus.fingerprint, first);
}

TEST_F(PrepareTest, AnotherRequestIsRefusedAndADamagedCorpusIsToo) {
  prepare_now();
  request_.validation_fraction = 0.3;
  EXPECT_NE(refusal().find("prepared in another way"), std::string::npos) << refusal();
  request_.validation_fraction = 0.2;
  fs::resize_file(request_.out / "english-train-00000.bin", 10);
  EXPECT_NE(refusal().find("truncated"), std::string::npos) << refusal();
  request_.force = true;
  EXPECT_TRUE(prepare_now().made);
}

TEST_F(PrepareTest, ForeignDirectoriesAreNeverReplaced) {
  write("corpus/thesis.tex", "five years of work");
  request_.force = true;
  EXPECT_NE(refusal().find("holds other files"), std::string::npos) << refusal();
  EXPECT_EQ(read_file(path("corpus/thesis.tex")), "five years of work");
}

TEST_F(PrepareTest, WhatLiesBesideACorpusIsNeverRemoved) {
  prepare_now();
  write("corpus/runs/first/run.toml", "a day of training");
  write("corpus.partial/thesis.tex", "five years of work");
  write("corpus.draft.partial/thesis.tex", "five years of work");
  request_.force = true;
  EXPECT_FALSE(prepare_now().made);  // nothing to replace
  request_.tokenizer = {true, 340};
  EXPECT_NE(refusal().find("holds runs beside the corpus"), std::string::npos) << refusal();
  fs::rename(path("corpus/runs"), path("runs"));
  EXPECT_NE(refusal().find("corpus.partial: holds thesis.tex"), std::string::npos) << refusal();
  fs::rename(path("corpus.partial"), path("mine"));
  EXPECT_TRUE(prepare_now().made);
  EXPECT_EQ(read_file(path("corpus.draft.partial/thesis.tex")), "five years of work");
}

TEST_F(PrepareTest, ACorpusInAFolderOfTextIsNoText) {
  request_.sources = {{"all", {root()}, std::nullopt}};
  EXPECT_TRUE(prepare_now().made);
  write("corpus.partial/all-train-00000.bin", "half");  // of a killed process
  EXPECT_FALSE(prepare_now().made);
  EXPECT_EQ(all_documents(*Corpus::open(request_.out)), file_documents());
}

TEST_F(PrepareTest, ACorpusThatAnotherProcessMadeMeanwhileStays) {
  PrepareRequest late = request_;
  late.tokenizer = {true, 340};
  bool made = false;
  const auto meanwhile = [&](const Progress&) {
    if (!std::exchange(made, true)) prepare_now();
  };
  EXPECT_THROW(prepare(late, meanwhile), InputError);
  EXPECT_EQ(Corpus::open(request_.out)->vocabulary(), 257);
}

TEST_F(PrepareTest, WhatAnInterruptedRunLeftIsCleanedAway) {
  write("corpus.partial/english-train-00000.bin", "half");
  EXPECT_TRUE(prepare_now().made);
  EXPECT_EQ(all_documents(*Corpus::open(request_.out)), file_documents());
  EXPECT_FALSE(fs::exists(path("corpus.partial")));
}

TEST_F(PrepareTest, CompressedFilesAreReadAndDamagedOnesRefused) {
  for (int i = 0; i < 40; ++i) {
    const std::string name = path("english/" + std::to_string(i) + ".txt");
    const std::string text = read_file(name);
    gzFile file = gzopen((name + ".gz").c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
  }
  const std::string plain = prepare_now().corpus.fingerprint;
  request_.sources[0].globs = {path("english/*.gz")};
  request_.out = path("from-gz");
  const PrepareResult result = prepare_now();
  // in the order of the names, "10.txt" < "1.txt" < "1.txt.gz": the same documents, another order
  EXPECT_EQ(all_documents(*Corpus::open(request_.out)), file_documents());
  EXPECT_EQ(result.corpus.sources[0].splits[kTrain].bytes,
            Corpus::open(path("corpus"))->description().sources[0].splits[kTrain].bytes);
  EXPECT_EQ(plain.size(), 16u);
  fs::resize_file(path("english/7.txt.gz"), 30);
  request_.out = path("damaged");
  expect_refused("7.txt.gz: cannot be decompressed");
}

TEST_F(PrepareTest, RefusesBadRequestsAndWritesNothing) {
  const PrepareRequest good = request_;
  const auto refused = [&](const std::string& part, auto change) {
    request_ = good;
    change(request_);
    expect_refused(part);
  };
  refused("no source", [](PrepareRequest& r) { r.sources.clear(); });
  refused("named twice", [](PrepareRequest& r) { r.sources[1].name = "english"; });
  refused("source name", [](PrepareRequest& r) { r.sources[1].name = "a/b"; });
  refused("'english': '" + path("none/*.txt") + "' names no file",
          [&](PrepareRequest& r) { r.sources[0].globs.push_back(path("none/*.txt")); });
  refused("1 of 2 sources", [](PrepareRequest& r) { r.sources[0].weight = 1; });
  refused("not a positive", [](PrepareRequest& r) {
    r.sources[0].weight = 1;
    r.sources[1].weight = -1;
  });
  refused("below 1/1024", [](PrepareRequest& r) {
    r.sources[0].weight = 1;
    r.sources[1].weight = 1e-5;
  });
  refused("--validation", [](PrepareRequest& r) { r.validation_fraction = 1; });
  refused("--validation 0.", [](PrepareRequest& r) { r.validation_fraction = 1e-9; });
  refused("needed 2", [&](PrepareRequest& r) { r.sources[0].globs = {path("english/1.txt")}; });
  refused("supports only", [](PrepareRequest& r) { r.tokenizer = {true, 30000}; });
  refused("cannot be read", [](PrepareRequest& r) { r.sources[0].globs = {"/proc/self/mem"}; });
}

TEST_F(PrepareTest, AFullDiskLeavesNothing) {
  const isoflop::test::SmallDisk disk(1000);
  expect_refused("free some space");
}

TEST_F(PrepareTest, BpeRefusesWhatIsNotUtf8AndBytesTakesIt) {
  write("english/bad.txt", "good start\xC3\x28 then bad");
  request_.tokenizer = {true, 340};
  expect_refused("bad.txt: byte 10 is not UTF-8");
  write("english/bad.txt", std::string((1 << 20) - 1, 'a') + "\xC3");  // cut off at a piece's end
  expect_refused("bad.txt: byte 1048575 is not UTF-8");
  request_.tokenizer = {};
  EXPECT_TRUE(prepare_now().made);
}

}  // namespace
}  // namespace isoflop::data
