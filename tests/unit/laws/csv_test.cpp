#include "laws/csv.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace isoflop::laws {
namespace {

std::string error_of(std::string_view text, const ColumnNames& columns = {}) {
  try {
    parse_csv(text, "p.csv", columns);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Csv, ReadsQuotesCrlfBomAndExtraColumns) {
  const Points points = parse_csv(
      "\xEF\xBB\xBF\"params\",note,tokens,loss,group\r\n"
      "1e6,\"a \"\"quoted\"\", comma\r\nand line\",2e7, 3.5 ,run 1\r\n"
      "\r\n"
      "2000000,,4e7,+3.25,\"run, 2\"",
      "p.csv");
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points.params[1], 2e6);
  EXPECT_EQ(points.loss[0], 3.5);
  EXPECT_EQ(points.loss[1], 3.25);
  EXPECT_EQ(points.group[1], "run, 2");
  EXPECT_EQ(points.name[0], "p.csv:2");
  EXPECT_EQ(points.name[1], "p.csv:5");
}

TEST(Csv, RenamedColumnsAndTokensFromCompute) {
  const Points points = parse_csv("Model Size,Training FLOP,loss\n1e6,6e13,3\n", "p.csv",
                                  {{"params", "Model Size"}, {"flops", "Training FLOP"}});
  EXPECT_DOUBLE_EQ(points.tokens[0], 1e7);
  ASSERT_EQ(points.notes.size(), 1u);
  EXPECT_EQ(points.notes[0], "tokens computed as flops / (6 params)");
}

TEST(Csv, PredictionNeedsNoLoss) {
  constexpr Variable kSizes[] = {Variable::params, Variable::tokens};
  EXPECT_EQ(parse_csv("params,tokens\n1,2\n", "p.csv", {}, kSizes).size(), 1u);
  EXPECT_NE(error_of("params,tokens\n1,2\n").find("loss: the column is missing"),
            std::string::npos);
}

TEST(Csv, ErrorsNameLineAndColumn) {
  const std::string header = "params,tokens,loss\n";
  EXPECT_EQ(error_of(header + "1,2,x\n"), "p.csv:2: loss: saw 'x', needed a number");
  EXPECT_EQ(error_of(header + "1,2,3\n1,2,\n"), "p.csv:3: loss: saw '', needed a number");
  EXPECT_EQ(error_of(header + "1,2,nan\n"), "p.csv:2: loss: saw 'nan', needed a finite number");
  EXPECT_NE(error_of(header + "1,2,-3\n").find("p.csv:2: loss: saw -3, needed a number above 0"),
            std::string::npos);
  EXPECT_NE(error_of(header + "0,2,3\n").find("p.csv:2: params: saw 0"), std::string::npos);
  EXPECT_EQ(error_of(header + "1,2\n"), "p.csv:2: saw 2 fields, the header has 3");
  EXPECT_NE(error_of(header + "1,\"2,3\n").find("p.csv:2: a quote is never closed"),
            std::string::npos);
  EXPECT_NE(error_of(header + "1,\"2\"x,3\n").find("behind a closing quote"), std::string::npos);
  EXPECT_NE(error_of("").find("empty"), std::string::npos);
  EXPECT_NE(error_of(header).find("without points"), std::string::npos);
}

TEST(Csv, MissingColumnsSuggestARename) {
  EXPECT_NE(error_of("param,tokens,loss\n1,2,3\n").find("--column params=\"param\""),
            std::string::npos);
  EXPECT_NE(error_of("params,tokens,loss\n1,2,3\n", {{"params", "Size"}})
                .find("the column 'Size' is missing"),
            std::string::npos);
}

TEST(Csv, ColumnArguments) {
  EXPECT_EQ(parse_column_names({"params=Model Size"}).at("params"), "Model Size");
  EXPECT_THROW(parse_column_names({"params"}), InputError);
  EXPECT_THROW(parse_column_names({"prams=x"}), InputError);
}

TEST(Csv, UnreadableFileIsBadInput) {
  EXPECT_THROW(read_csv("/nonexistent/points.csv"), InputError);
}

}  // namespace
}  // namespace isoflop::laws
