#include "data/text_files.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.hpp"
#include "tests/harness/scratch_directory.hpp"

namespace isoflop::data {
namespace {

class GlobTest : public testing::Test {
 protected:
  GlobTest() {
    for (const char* name : {"a.txt", "b.txt", "c.md", ".hidden.txt", "sub/d.txt", "sub/deep/e.txt",
                             "sub/deep/f.md", "sub/deep/.h.txt", "sub/.git/i.txt", ".git/g.txt"}) {
      const std::filesystem::path path = scratch_.path() / name;
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path) << name;
    }
    std::filesystem::create_directory_symlink(scratch_.path(), scratch_.path() / "sub/loop");
    std::filesystem::create_symlink("circle.txt", scratch_.path() / "circle.txt");
    std::filesystem::create_symlink("nowhere", scratch_.path() / "sub/broken.txt");
  }

  std::string names(const std::string& pattern) {
    std::string joined;
    for (const std::filesystem::path& path : expand_glob(scratch_.path() / pattern)) {
      joined += path.lexically_relative(scratch_.path()).string() + " ";
    }
    return joined;
  }

  isoflop::test::ScratchDirectory scratch_;
};

TEST_F(GlobTest, MatchesAsAShellDoes) {
  EXPECT_EQ(names("a.txt"), "a.txt ");
  EXPECT_EQ(names("*.txt"), "a.txt b.txt ");
  EXPECT_EQ(names("[ac].*"), "a.txt c.md ");
  EXPECT_EQ(names("*/?.txt"), "sub/d.txt ");
  EXPECT_EQ(names(".*.txt"), ".hidden.txt ");
  EXPECT_EQ(names("**/*.txt"), "a.txt b.txt sub/d.txt sub/deep/e.txt ");
  EXPECT_EQ(names("**/deep/*"), "sub/deep/e.txt sub/deep/f.md ");
  EXPECT_EQ(names("sub/**"), "sub/d.txt sub/deep/e.txt sub/deep/f.md ");
  EXPECT_EQ(names("sub"), "sub/d.txt sub/deep/e.txt sub/deep/f.md ");
  EXPECT_EQ(names("sub/"), "sub/d.txt sub/deep/e.txt sub/deep/f.md ");
  EXPECT_EQ(names(".git"), ".git/g.txt ");
}

TEST_F(GlobTest, NamesThatLookLikePatternsMatchThemselves) {
  for (const char* name : {"old [1999]/notes [1].txt", "old 1/notes 1.txt"}) {
    std::filesystem::create_directories((scratch_.path() / name).parent_path());
    std::ofstream(scratch_.path() / name) << name;
  }
  EXPECT_EQ(names("old [1999]/notes [1].txt"), "old 1/notes 1.txt old [1999]/notes [1].txt ");
  EXPECT_EQ(names("old \\[1999]/*"), "old [1999]/notes [1].txt ");
}

TEST_F(GlobTest, RefusesAPatternWithoutFiles) {
  EXPECT_THROW(names("*.pdf"), InputError);
  EXPECT_THROW(names("missing"), InputError);
  EXPECT_THROW(names("circle.txt"), InputError);
  EXPECT_THROW(names("a.txt/*"), InputError);
  EXPECT_THROW(expand_glob(""), InputError);
}

std::optional<std::int64_t> first_bad(const std::string& text, std::size_t piece) {
  Utf8Checker checker;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const auto bad = checker.check(std::string_view(text).substr(at, piece));
    if (bad) return bad;
  }
  return checker.finish();
}

TEST(Utf8, FindsTheFirstBadCharacterHoweverTheTextIsCut) {
  const std::string good =
      "plain ascii text, é, 漢, 😀, \xED\x9F\xBF, \xEF\xBF\xBF, \xF4\x8F\xBF\xBF";
  for (const std::size_t piece : {1u, 2u, 3u, 7u, 100u}) {
    EXPECT_EQ(first_bad(good, piece), std::nullopt);
    for (const char* bad :
         {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\x80", "\xED\xA0\x80", "\xF0\x8F\x80\x80",
          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE6\xBC", "\xC3(", "\xE6\xBC("}) {
      EXPECT_EQ(first_bad(good + bad, piece), static_cast<std::int64_t>(good.size())) << bad;
    }
  }
}

TEST(Utf8, PrefixEndsBetweenCharacters) {
  const std::string text = "aé漢😀";
  const std::size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
  for (std::size_t length = 0; length <= text.size(); ++length) {
    EXPECT_EQ(utf8_prefix(std::string_view(text).substr(0, length)), ends[length]);
  }
}

}  // namespace
}  // namespace isoflop::data
