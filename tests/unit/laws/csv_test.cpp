#include "laws/points/csv.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "laws/law/law.hpp"

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

TEST(Csv, AColumnThatIsOnlyWantedMayHaveGaps) {
  constexpr Variable kRates[] = {Variable::learning_rate};
  const auto read = [&](std::string_view rows, std::span<const Variable> needed) {
    return parse_csv("params,tokens,loss,lr\n" + std::string(rows), "p.csv", {}, needed,
                     Rows::measured, kRates);
  };
  EXPECT_EQ(read("1e6,1e7,3,1e-3\n1e7,1e8,2,2e-3\n", kUsualColumns).learning_rate.size(), 2u);
  const Points gap = read("1e6,1e7,3,1e-3\n1e7,1e8,2,\n", kUsualColumns);
  EXPECT_TRUE(gap.learning_rate.empty());
  EXPECT_EQ(gap.size(), 2u);
  EXPECT_EQ(gap.notes.back(),
            "learning_rate not read: line 3 has none, needed a finite number, 0 or above");
  EXPECT_THROW(read("1e6,1e7,3,\n", kRates), InputError);
}

TEST(Csv, AColumnThatIsOnlyWantedMayMeanSomethingElse) {
  constexpr Variable kWanted[] = {Variable::unique_tokens, Variable::learning_rate,
                                  Variable::batch};
  const Points points = parse_csv(
      "params,tokens,loss,lr,batch,unique_tokens\n1e6,1e7,3,1e-3,64,1e7\n"
      "1e7,1e8,2,cosine,64,2e8\n1e8,1e9,1.5,n/a,0,nan\n",
      "p.csv", {}, kUsualColumns, Rows::measured, kWanted);
  EXPECT_EQ(points.size(), 3u);
  EXPECT_TRUE(points.learning_rate.empty() && points.batch.empty() && points.unique_tokens.empty());
  EXPECT_EQ(points.notes.at(1),
            "unique_tokens not read: line 3 has '2e8', needed at most its tokens");
  EXPECT_EQ(points.notes.at(2), "batch not read: line 4 has '0', needed a finite number above 0");
  EXPECT_EQ(points.notes.at(3),
            "learning_rate not read: line 3 has 'cosine', needed a finite number, 0 or above");
  EXPECT_NO_THROW(prepare(points));
}

TEST(Csv, PredictionNeedsNoLoss) {
  constexpr Variable kSizes[] = {Variable::params, Variable::tokens};
  EXPECT_EQ(parse_csv("params,tokens\n1,2\n", "p.csv", {}, kSizes).size(), 1u);
  EXPECT_NE(error_of("params,tokens\n1,2\n").find("loss: the column is missing"),
            std::string::npos);
}

TEST(Csv, SizesToPredictForMayLackLossesThatNoLawReads) {
  constexpr Variable kSizes[] = {Variable::params, Variable::tokens};
  constexpr Variable kLoss[] = {Variable::loss};
  const char* text = "params,tokens,steps,loss,loss_unit\n1,2,,,bits_per_byte\n";
  EXPECT_EQ(parse_csv(text, "p.csv", {}, kSizes, Rows::asked).conventions.loss, "");
  EXPECT_THROW(parse_csv(text, "p.csv", {}, kLoss, Rows::asked), InputError);
  text = "loss,loss_unit\n3,bits_per_byte\n";
  const Conventions asked = parse_csv(text, "p.csv", {}, kLoss, Rows::asked).conventions;
  EXPECT_NO_THROW(require_same_kind(asked, {.loss = "bits_per_byte"}, "p.csv"));
  EXPECT_THROW(require_same_kind(asked, {.loss = "nats"}, "p.csv"), InputError);
}

TEST(Csv, ErrorsNameLineAndColumn) {
  const std::string header = "params,tokens,loss\n";
  EXPECT_EQ(error_of(header + "1,2,x\n"), "p.csv:2: loss: saw 'x', needed a number");
  EXPECT_EQ(error_of(header + "1,2,3\n1,2,\n"), "p.csv:3: loss: saw '', needed a number");
  EXPECT_EQ(error_of(header + "1,2,nan\n"),
            "p.csv:2: loss: saw 'nan', needed a finite number: correct the row, or say in a column "
            "status that the run failed");
  EXPECT_NE(
      error_of(header + "1,2,-3\n").find("p.csv:2: loss: saw -3, needed a finite number above 0"),
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

TEST(Csv, ASuggestionIsANearMissThatNothingElseUses) {
  const auto missing = [](Variable variable, std::string_view header) -> std::string {
    const Variable needed[] = {variable};
    try {
      parse_csv(header, "p.csv", {}, needed);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  const auto suggests = [](const std::string& error) {
    return error.find("; name it with --column") != std::string::npos;
  };
  EXPECT_NE(missing(Variable::params, "tokens,N_params,loss\n").find("params=\"N_params\""),
            std::string::npos);
  EXPECT_NE(missing(Variable::tokens, "Tokns,params,loss\n").find("tokens=\"Tokns\""),
            std::string::npos);
  for (const auto& error :
       {missing(Variable::unique_tokens, "params,tokens,loss\n"),
        missing(Variable::learning_rate, "params,tokens,loss\n"),
        missing(Variable::accuracy, "task_loss,score\n"), missing(Variable::params, "# hi\n"),
        missing(Variable::tokens, "params,tokens_per_second,loss\n"),
        missing(Variable::loss, "params,tokens,loss_std\n")}) {
    EXPECT_FALSE(suggests(error)) << error;
    EXPECT_NE(error.find("say so with --column"), std::string::npos) << error;
  }
}

TEST(Csv, LettersForPowersAreRefusedWithTheNumberInFull) {
  const std::string header = "params,tokens,loss\n";
  EXPECT_EQ(error_of(header + "70M,2,3\n"),
            "p.csv:2: params: saw '70M', needed a number: write 70e6");
  EXPECT_EQ(error_of(header + "1,1.4B,3\n"),
            "p.csv:2: tokens: saw '1.4B', needed a number: write 1.4e9");
  EXPECT_EQ(error_of(header + "1,1e3M,3\n"), "p.csv:2: tokens: saw '1e3M', needed a number");
}

TEST(Csv, AComputeThatUnderflowsIsRefused) {
  const Points points = parse_csv("params,tokens,loss\n1e-308,1e-308,3\n", "p.csv");
  try {
    prepare(points);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "p.csv:2: flops: 6 params tokens is 0, a fit needs a finite number above 0: give "
                 "params and tokens in units");
  }
}

TEST(Csv, MixturesOfExpertsAndSmoothingAreLabelled) {
  const Points points = parse_csv(
      "params,tokens,loss,params_kind,smoothing\n1e6,2e6,3,active,ema\n2e6,2e6,3,active,ema\n",
      "p.csv");
  EXPECT_EQ(points.conventions.params, "active");
  EXPECT_EQ(points.conventions.smoothing, "ema");
  EXPECT_NE(describe(points.conventions).find("smoothing ema"), std::string::npos);
  EXPECT_EQ(error_of("params,tokens,loss,smoothing\n1e6,2e6,3,ema\n2e6,2e6,3,none\n"),
            "p.csv:3: smoothing: saw 'none', line 2 has 'ema': one fit needs one kind; split the "
            "file");
  EXPECT_THROW(require_same_kind({.smoothing = "none"}, points.conventions, "q.csv"), InputError);
}

TEST(Csv, RefusesColumnsOfOneName) {
  EXPECT_EQ(error_of("params,tokens,loss,tokens\n1,2,3,4\n"),
            "p.csv:1: two columns are named 'tokens': needed one, rename or remove the other");
  EXPECT_EQ(error_of("params,tokens,loss,note,note\n1,2,3,,\n"), "no error");
  EXPECT_THROW(parse_column_names({"params=a", "params=b"}), InputError);
}

TEST(Csv, NamesWhatIsNoCsv) {
  EXPECT_EQ(error_of("params;tokens;loss\n1;2;3\n"),
            "p.csv:1: params: the header is one field with ';' in it: needed fields separated by "
            "commas");
  EXPECT_NE(error_of("params\ttokens\tloss\n1\t2\t3\n").find("'tab' in it"), std::string::npos);
  EXPECT_EQ(error_of("params,tokens,loss\r1,2,3\r"),
            "p.csv: its lines end in CR alone: needed LF or CRLF at the end of each line");
  EXPECT_EQ(error_of(std::string_view("\xFF\xFEp\0a\0", 6)),
            "p.csv: holds bytes of value 0, as UTF-16 and binary files do: needed a CSV in UTF-8");
}

TEST(Csv, SizesToPredictForStateTheirFlopsOnlyWhereTheyHaveThem) {
  constexpr Variable kSizes[] = {Variable::params, Variable::tokens};
  const auto kind = [&](const char* text) {
    return parse_csv(text, "p.csv", {}, kSizes, Rows::asked).conventions.flops;
  };
  EXPECT_EQ(kind("params,tokens\n1,2\n"), "");
  EXPECT_EQ(kind("params,tokens,flops_kind\n1,2,6nd\n"), "6nd");
  EXPECT_NE(error_of("params,flops,loss,flops_kind\n1,12,3,exact\n")
                .find("from which params and tokens do not follow"),
            std::string::npos);
}

TEST(Csv, ColumnArguments) {
  EXPECT_EQ(parse_column_names({"params=Model Size"}).at("params"), "Model Size");
  EXPECT_THROW(parse_column_names({"params"}), InputError);
  EXPECT_THROW(parse_column_names({"prams=x"}), InputError);
}

TEST(Csv, RecordsConventions) {
  const Points points = parse_csv(
      "params,tokens,flops,loss,params_kind,flops_kind,loss_unit,stage\n"
      "1,2,12,3,total,exact,nats,final\n"
      "2,2,24,3,total,exact,nats,cooled-down\n",
      "p.csv");
  EXPECT_EQ(points.conventions, (Conventions{"total", "exact", "nats", ""}));
  EXPECT_EQ(conventions_of(points, false).stage, "final and cooled-down");
  EXPECT_EQ(conventions_of(points, true).stage, "along the run");
  const Points plain = parse_csv("params,tokens,loss\n1,2,3\n", "p.csv");
  EXPECT_EQ(plain.conventions, (Conventions{"", "6nd", "", ""}));
}

TEST(Csv, RecordsWhatTheLossesAreLossesOf) {
  const Points points = parse_csv(
      "params,tokens,loss,tokenizer,data,context,evaluation\n1,2,3,bpe 50k,web,1024,held out\n"
      "2,2,3,bpe 50k,web,1024,held out\n",
      "p.csv");
  EXPECT_EQ(describe(points.conventions),
            "params not stated; flops 6nd; loss not stated; stage not stated; tokenizer bpe 50k; "
            "data web; context 1024; evaluation held out");
}

TEST(Csv, RefusesLossesOfTwoTokenizersDataContextsOrEvaluations) {
  for (const char* column : {"tokenizer", "data", "context", "evaluation"}) {
    const std::string header = fmt::format("params,tokens,loss,{}\n", column);
    EXPECT_EQ(error_of(header + "1,2,3,a\n2,2,3,a\n3,2,3,b\n"),
              fmt::format("p.csv:4: {}: saw 'b', line 2 has 'a': one fit needs one kind; split the "
                          "file",
                          column));
    EXPECT_NE(error_of(header + "1,2,3,a\n2,2,3,\n").find("saw '', line 2 has 'a'"),
              std::string::npos);
  }
}

TEST(Conventions, OfAPredictionAreThoseOfTheFit) {
  const Conventions fitted = {.params = "total", .tokenizer = "bpe", .context = "1024"};
  EXPECT_NO_THROW(require_same_kind({.data = "web", .context = "1024"}, fitted, "sizes.csv"));
  try {
    require_same_kind({.tokenizer = "bytes"}, fitted, "sizes.csv");
    FAIL() << "another tokenizer was accepted";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "sizes.csv: tokenizer: saw 'bytes', the fit was made with 'bpe': give runs like "
                 "those of the fit");
  }
}

TEST(Csv, RefusesMixedConventionsNamingTheFirstTwoRows) {
  EXPECT_EQ(
      error_of("params,tokens,loss,params_kind\n1,2,3,total\n2,2,3,total\n3,2,3,non-embedding\n"),
      "p.csv:4: params_kind: saw 'non-embedding', line 2 has 'total': one fit needs one "
      "kind; split the file");
  EXPECT_EQ(error_of("params,tokens,loss,loss_unit\n1,2,3,nats\n2,2,3,bits_per_byte\n"),
            "p.csv:3: loss_unit: saw 'bits_per_byte', line 2 has 'nats': one fit needs one kind; "
            "split the file");
  EXPECT_EQ(error_of("params,tokens,loss,params_kind\n1,2,3,all\n"),
            "p.csv:2: params_kind: saw 'all', needed one of total, non-embedding, active");
  EXPECT_EQ(error_of("params,tokens,loss,flops_kind\n1,2,3,exact\n"),
            "p.csv: flops_kind: saw 'exact' without a column flops: give the FLOP too");
  const Points stages = parse_csv(
      "params,tokens,loss,stage\n1,2,3,final\n1,3,3,cooled-down\n2,2,4,mid-decay\n", "p.csv");
  try {
    conventions_of(stages, false);
    FAIL() << "mixed stages were accepted";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "p.csv:4: stage: saw 'mid-decay', p.csv:2 has 'final': losses before the end of "
                 "a decay lie above the law; keep one stage");
  }
}

TEST(Csv, ConvertsLossesToNats) {
  const Points points = parse_csv(
      "params,tokens,loss,loss_unit,bytes_per_token\n"
      "1,2,1.25,bits_per_byte,4\n2,2,20.085536923187668,perplexity,4\n3,2,3,nats,4\n",
      "p.csv");
  EXPECT_DOUBLE_EQ(points.loss[0], 1.25 * 4 * std::log(2.0));
  EXPECT_DOUBLE_EQ(points.loss[1], 3.0);
  EXPECT_EQ(points.loss[2], 3.0);
  EXPECT_EQ(points.conventions.loss, "nats");
  EXPECT_NE(error_of("params,tokens,loss,loss_unit\n1,2,0.9,perplexity\n").find("above 1"),
            std::string::npos);
}

TEST(Csv, LeavesOutRunsThatAreNoPointsWithTheReason) {
  const Points points = parse_csv(
      "params,tokens,loss,status,warmup_tokens\n"
      "1,2,3,finished,1\n"
      "2,2,nan,diverged,1\n"
      "1,2,3,finished,1\n"
      "3,2,4,,2\n",
      "p.csv");
  EXPECT_EQ(points.size(), 1u);
  ASSERT_EQ(points.left_out.size(), 3u);
  EXPECT_EQ(points.left_out[0].name, "p.csv:3");
  EXPECT_EQ(points.left_out[0].reason, "its status is diverged");
  EXPECT_EQ(points.left_out[1].reason, "it repeats line 2 in every column");
  EXPECT_EQ(points.left_out[2].reason, "its warmup of 2 tokens is as long as its run");
  EXPECT_EQ(parse_csv("params,tokens,loss,weight\n1,2,3,.5\n1,2,3,.5\n", "p.csv").size(), 2u);
  EXPECT_EQ(error_of("params,tokens,loss,status\n1,2,3,done\n"),
            "p.csv: every point is left out, the first (p.csv:2) because its status is done");
}

TEST(Csv, WarmupIsHeldAgainstTokensThatAreComputed) {
  const auto points = parse_csv("params,flops,loss,warmup_tokens\n1,12,3,2\n1,18,3,2\n", "p.csv");
  EXPECT_EQ(points.left_out.at(0).reason, "its warmup of 2 tokens is as long as its run");
}

TEST(Csv, WarmupIsNoPointOfACurveButPartOfItsSchedule) {
  const std::string text =
      "group,step,lr,params,tokens,loss,warmup_tokens\n"
      "a,1,1e-4,1e6,1e3,9,2e3\na,2,2e-4,1e6,2e3,8,2e3\na,3,3e-4,1e6,3e3,7,2e3\n";
  const Points curves = parse_csv(text, "p.csv", {}, kUsualColumns, Rows::curves);
  EXPECT_EQ(curves.size(), 1u);
  ASSERT_EQ(curves.left_out.size(), 2u);
  EXPECT_EQ(curves.left_out[1].reason, "it lies in the warmup of its run, 2000 tokens");
  const Points schedules =
      parse_csv(text, "p.csv", {}, find_law("multi-power").columns(), Rows::schedules);
  EXPECT_EQ(schedules.size(), 3u);
  EXPECT_EQ(schedules.conventions.flops, "6nd");
}

TEST(Csv, UnreadableFileIsBadInput) {
  EXPECT_THROW(read_csv("/nonexistent/points.csv"), InputError);
}

}  // namespace
}  // namespace isoflop::laws
