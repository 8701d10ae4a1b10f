#include "data/corpus.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "core/error.hpp"
#include "tests/harness/scratch_directory.hpp"
#include "tests/unit/data/small_corpus.hpp"

namespace isoflop::data {
namespace {

class CorpusTest : public testing::Test {
 protected:
  CorpusTest() {
    test::write_small_corpus(path(), {{"a", test::ramp(100, 0, 1), test::ramp(40, 0, 3), 2.5}}, 32);
  }

  std::filesystem::path path() const { return scratch_.path(); }

  /// The one line that open() fails with.
  std::string refusal() const {
    try {
      Corpus::open(path());
    } catch (const InputError& error) {
      return error.what();
    }
    return "(opened)";
  }

  void replace_in_corpus_file(const std::string& from, const std::string& to) {
    std::ifstream file(path() / kCorpusFileName);
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << text;
    std::ofstream(path() / kCorpusFileName) << text.replace(at, from.size(), to);
  }

  isoflop::test::ScratchDirectory scratch_;
};

TEST_F(CorpusTest, ReadsBackWhatWasWritten) {
  const auto corpus = Corpus::open(path());
  EXPECT_EQ(corpus->vocabulary(), 257);
  EXPECT_EQ(corpus->tokens(0, kTrain), 100);
  EXPECT_EQ(corpus->description().sources[0].weight, 2.5);
  EXPECT_EQ(corpus->description().sources[0].splits[kTrain].shards.size(), 4u);
  std::vector<std::int32_t> tokens(100);
  corpus->read(0, kTrain, 0, tokens);
  for (std::int32_t i = 0; i < 100; ++i) EXPECT_EQ(tokens[static_cast<std::size_t>(i)], i);
  tokens.resize(1);
  corpus->read(0, kValidation, 39, tokens);
  EXPECT_EQ(tokens[0], 39 * 3);
}

TEST_F(CorpusTest, MoreShardsThanFilesMayBeOpen) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit few{12, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  test::write_small_corpus(path(), {{"a", test::ramp(100, 0, 1), test::ramp(40, 0, 3)}}, 4);
  const auto corpus = Corpus::open(path());
  EXPECT_EQ(corpus->description().sources[0].splits[kTrain].shards.size(), 25u);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

// As in a damaged corpus that is too large to be verified when it is opened.
TEST_F(CorpusTest, RefusesATokenThatTheVocabularyLacks) {
  std::vector<std::uint16_t> train = test::ramp(100, 0, 1);
  train[40] = 257;
  test::write_small_corpus(path(), {{"a", train, test::ramp(40, 0, 3)}}, 32);
  const auto corpus = Corpus::open(path());
  std::vector<std::int32_t> tokens(40);
  corpus->read(0, kTrain, 0, tokens);
  try {
    tokens.resize(41);
    corpus->read(0, kTrain, 0, tokens);
    ADD_FAILURE() << "it was read";
  } catch (const InputError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("a-train-32.bin: holds token 257"), std::string::npos) << message;
  }
}

TEST_F(CorpusTest, RefusesADirectoryWithoutACorpus) {
  std::filesystem::remove(path() / kCorpusFileName);
  EXPECT_NE(refusal().find("no corpus here"), std::string::npos) << refusal();
}

TEST_F(CorpusTest, RefusesATruncatedOrMissingShard) {
  const std::filesystem::path shard = path() / "a-train-32.bin";
  std::filesystem::resize_file(shard, 60);
  EXPECT_NE(refusal().find("has 60 bytes, corpus.json says 64"), std::string::npos) << refusal();
  std::filesystem::remove(shard);
  EXPECT_NE(refusal().find("is missing; run"), std::string::npos) << refusal();
}

TEST_F(CorpusTest, AShardThatShrinksWhileItIsOpenIsAnError) {
  const auto corpus = Corpus::open(path());
  std::filesystem::resize_file(path() / "a-train-32.bin", 10);
  std::vector<std::int32_t> tokens(40);
  EXPECT_THROW(corpus->read(0, kTrain, 0, tokens), InputError);
  corpus->read(0, kTrain, 0, std::span(tokens).first(32));  // the shard before is whole
}

// Resident memory counts every page of a mapping that was touched, and those around it.
TEST_F(CorpusTest, ReadingEverythingKeepsNothingInMemory) {
  constexpr std::int64_t kTokens = std::int64_t{16} << 20;
  const std::vector<std::uint16_t> train(static_cast<std::size_t>(kTokens), 7);
  test::write_small_corpus(path(), {{"a", train, test::ramp(40, 0, 3)}}, kTokens);
  const auto resident = [] {
    std::ifstream status("/proc/self/statm");
    std::int64_t total = 0, pages = 0;
    status >> total >> pages;
    return pages * sysconf(_SC_PAGESIZE);
  };
  const std::int64_t before = resident();
  const auto corpus = Corpus::open(path());
  std::vector<std::int32_t> tokens(1000);
  for (std::int64_t first = 0; first + 1000 <= kTokens; first += 1000)
    corpus->read(0, kTrain, first, tokens);
  EXPECT_LT(resident() - before, 8 << 20) << "of 32 MiB";
}

TEST_F(CorpusTest, RefusesAChangedShard) {
  std::fstream shard(path() / "a-train-64.bin", std::ios::in | std::ios::out | std::ios::binary);
  shard.seekp(10);
  shard.put('x');
  shard.close();
  EXPECT_NE(refusal().find("checksum"), std::string::npos) << refusal();
}

TEST_F(CorpusTest, RefusesAnEditedDescription) {
  replace_in_corpus_file("\"weight\": 2.5", "\"weight\": 2.6");
  EXPECT_NE(refusal().find("fingerprint"), std::string::npos) << refusal();
}

TEST_F(CorpusTest, RefusesWhatIsNotACorpusDescription) {
  replace_in_corpus_file("\"schema\": 1", "\"schema\": 2");
  EXPECT_NE(refusal().find("schema 2, this program reads 1"), std::string::npos) << refusal();
  replace_in_corpus_file("\"schema\": 2,", "");
  EXPECT_NE(refusal().find("not a corpus description"), std::string::npos) << refusal();
  std::ofstream(path() / kCorpusFileName) << "{";
  EXPECT_NE(refusal().find("not a corpus description"), std::string::npos) << refusal();
  EXPECT_EQ(refusal().find('\n'), std::string::npos) << refusal();
}

}  // namespace
}  // namespace isoflop::data
