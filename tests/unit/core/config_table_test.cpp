#include "core/config_table.hpp"

#include <gtest/gtest.h>

#include "core/config_document.hpp"
#include "core/error.hpp"

namespace isoflop {
namespace {

ConfigDocument document() {
  return ConfigDocument::from_text(
      "[model]\nlayers = 4\nwidth = \"wide\"\nrate = 2\nwidht = 1\ntokens = 5e6\n", "run.toml");
}

template <class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ConfigTable, ReadsWhatIsThereAndDefaults) {
  ConfigDocument file = document();
  ConfigTable model = file.root().table("model");
  EXPECT_EQ(model.integer("layers", 1, 10), 4);
  EXPECT_EQ(model.integer("heads", 1, 10, 3), 3);
  EXPECT_EQ(model.number("rate", 0, 10), 2.0);
  EXPECT_EQ(model.integer("tokens", 0, 1'000'000'000), 5'000'000);
}

TEST(ConfigTable, NamesFileLineKeySeenAndNeeded) {
  ConfigDocument file = document();
  ConfigTable model = file.root().table("model");
  EXPECT_EQ(message_of([&] { model.integer("width", 1, 64); }),
            "run.toml:3: model.width: seen 'wide', needed an integer from 1 to 64");
  EXPECT_EQ(message_of([&] { model.integer("layers", 5, 10); }),
            "run.toml:2: model.layers: seen 4, needed an integer from 5 to 10");
  EXPECT_EQ(message_of([&] { model.integer("heads", 1, 10); }),
            "run.toml:1: model.heads: is missing, needed an integer from 1 to 10");
}

TEST(ConfigTable, ShowsNumbersAsTheyAreTyped) {
  ConfigDocument file = ConfigDocument::from_text("beta = -0.1\nrates = [1e-7, 0.3]\n", "run.toml");
  EXPECT_EQ(message_of([&] { file.root().number("beta", 0, 1); }),
            "run.toml:1: beta: seen -0.1, needed a number from 0 to 1");
  EXPECT_EQ(message_of([&] { file.root().numbers("rates", 0, 0.25); }),
            "run.toml:2: rates: seen 0.3 in the list, needed a number from 0 to 0.25");
}

TEST(ConfigTable, AMissingKeyStandsInTheFileNotInTheAssignmentThatMadeItsTable) {
  ConfigDocument file = document();
  file.set("parallel.zero=1");
  EXPECT_EQ(file.root().table("parallel").place("zero"), "--set parallel.zero=1: parallel.zero");
  EXPECT_EQ(file.root().table("parallel").place("tensor"), "run.toml: parallel.tensor");
}

TEST(ConfigTable, RefusesUnknownKeysWithTheNearest) {
  ConfigDocument file = document();
  ConfigTable model = file.root().table("model");
  for (const char* key : {"layers", "rate", "tokens"}) model.number(key, 0, 1e9);
  EXPECT_THROW(model.string("nothing"), InputError);
  model.string("width");
  EXPECT_EQ(message_of([&] { file.root().refuse_unknown_keys(); }),
            "run.toml:5: model.widht: is not a known key; the nearest is \"width\"");
}

TEST(ConfigTable, SetWinsAndIsNamed) {
  ConfigDocument file = document();
  file.set("model.layers=7");
  file.set("train.precision=bf16");
  file.set("model.extra=1");
  EXPECT_EQ(file.root().table("model").integer("layers", 1, 10), 7);
  EXPECT_EQ(file.root().table("train").string("precision"), "bf16");
  EXPECT_NE(message_of([&] {
              file.root().table("model").integer("extra", 5, 9);
            }).find("--set model.extra=1"),
            std::string::npos);
  EXPECT_THROW(file.set("nonsense"), InputError);
  EXPECT_THROW(file.set("train.seed=2\ntrain.tokens=5"), InputError);
  EXPECT_THROW(file.set("train.seed=2\n[more]"), InputError);
  EXPECT_THROW(file.set("train.name=caf\xe9"), InputError);
}

TEST(ConfigTable, SyntaxErrorNamesTheLine) {
  EXPECT_NE(message_of([] {
              ConfigDocument::from_text("a = 1\nb = = 2\n", "x.toml");
            }).find("x.toml:2: not TOML"),
            std::string::npos);
  EXPECT_NE(
      message_of([] { ConfigDocument::from_file("/nowhere/x.toml"); }).find("/nowhere/x.toml"),
      std::string::npos);
}

// One file with a base and variants of it: every value keeps the line it stands on.
TEST(ConfigDocument, LaysTablesOverEachOtherAndKeepsTheirLines) {
  ConfigDocument file = ConfigDocument::from_text(
      "[base.model]\nlayers = 4\nwidth = 64\n[[size]]\nmodel.width = 128\n"
      "[[size]]\nlabel = 'big'\nmodel.width = 'wide'\nmodel.heads = 2\n",
      "study.toml");
  ConfigDocument merged = file.take("base");
  std::vector<ConfigDocument> sizes = file.take_list("size");
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_EQ(sizes[0].root().place("model"), "study.toml:5: size[0].model");
  ConfigDocument over = std::move(sizes[1]);
  over.erase("label");
  merged.lay_over(std::move(over));
  merged.set("model.context=1", "study.toml:9: context");
  ConfigTable model = merged.root().table("model");
  EXPECT_EQ(model.integer("layers", 1, 10), 4);
  EXPECT_EQ(model.integer("heads", 1, 10), 2);
  EXPECT_EQ(message_of([&] { model.integer("width", 1, 64); }),
            "study.toml:8: model.width: seen 'wide', needed an integer from 1 to 64");
  EXPECT_EQ(message_of([&] { model.integer("context", 2, 64); }),
            "study.toml:9: context: model.context: seen 1, needed an integer from 2 to 64");
  EXPECT_EQ(model.place("layers"), "study.toml:2: model.layers");
  EXPECT_FALSE(merged.root().has("label"));
  EXPECT_FALSE(file.root().has("base"));
}

TEST(ConfigTable, AMisspeltKeyExplainsAMissingOne) {
  ConfigDocument file = ConfigDocument::from_text("widht = 64\nunrelated = 1\n", "run.toml");
  EXPECT_EQ(message_of([&] { file.root().integer("width", 1, 64); }),
            "run.toml:1: widht: is not a known key; the nearest is \"width\"");
  EXPECT_EQ(message_of([&] { file.root().integer("layers", 1, 64); }),
            "run.toml:1: layers: is missing, needed an integer from 1 to 64");
}

TEST(ConfigTable, AMisspeltKeyExplainsThatOneOfSeveralIsMissing) {
  ConfigDocument file = ConfigDocument::from_text("[grid]\nbudegts = 64\nbranch = 1\n", "x.toml");
  const std::vector<std::string> keys{"tokens", "budgets"};
  EXPECT_EQ(message_of([&] { file.root().table("grid").fail_missing(keys, "one"); }),
            "x.toml:2: grid.budegts: is not a known key; the nearest is \"budgets\"");
  EXPECT_EQ(message_of([&] { file.root().fail_missing(keys, "one of both"); }),
            "x.toml:1: tokens: is missing, needed one of both");
}

TEST(ConfigTable, RefusesAllButWhatIsListed) {
  ConfigDocument file = ConfigDocument::from_text("[model]\nwidth = 2\n[trian]\n", "run.toml");
  const std::vector<std::string_view> known{"model", "train"};
  const std::string refusal = "run.toml:3: trian: is not a known key; the nearest is \"train\"";
  EXPECT_EQ(message_of([&] { file.root().refuse_all_but(known); }), refusal);
  EXPECT_EQ(message_of([&] { file.root().refuse_all_but(std::vector<std::string_view>{"model"}); }),
            "run.toml:3: trian: is not a known key; the known ones are model");
  file.root().table("model").refuse_all_but(std::vector<std::string_view>{"width"});
}

TEST(ConfigDocument, RefusesAValueThatIsNeitherTomlNorABareWord) {
  ConfigDocument file = document();
  EXPECT_EQ(message_of([&] { file.set("model.layers=it's"); }),
            "--set model.layers=it's: needed a TOML value or a bare word");
}

TEST(ConfigTable, TellsTablesFromValues) {
  ConfigDocument file = ConfigDocument::from_text("a = { x = 1 }\nb = 2\n", "study.toml");
  EXPECT_TRUE(file.root().is_table("a"));
  EXPECT_FALSE(file.root().is_table("b"));
  EXPECT_FALSE(file.root().is_table("c"));
}

}  // namespace
}  // namespace isoflop
