#include "laws/tasks/emergence.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/error.hpp"
#include "core/random.hpp"

namespace isoflop::laws {
namespace {

/// Ten sizes; exact match over `k` tokens of loss `score`, counted on `items` items.
TaskScores task_of(const std::function<double(double)>& score, double k, double items,
                   double chance = 0) {
  RandomStream stream(7, Purpose::test);
  TaskScores scores;
  scores.task = "task";
  for (int i = 0; i < 10; ++i) {
    const double size = 1e19 * std::pow(3.0, i);
    const double loss = score(size);
    const double share = chance + (1 - chance) * std::exp(-k * loss);
    int right = 0;
    for (int item = 0; item < items; ++item) right += stream.next_uniform() < share;
    scores.size.push_back(size);
    scores.score.push_back(loss);
    scores.accuracy.push_back(right / items);
    scores.items.push_back(items);
  }
  return scores;
}

double smooth(double size) { return 0.02 + 1.2 * std::pow(size / 1e19, -0.35); }

bool says(const Emergence& report, const std::string& text) {
  for (const std::string& verdict : report.verdicts)
    if (verdict.find(text) != std::string::npos) return true;
  return false;
}

TEST(Emergence, FindsTheLengthOfTheAnswerAndExtrapolatesTheScore) {
  EmergenceOptions options;
  options.at = 1e25;
  const Emergence report = examine(task_of(smooth, 8, 4000), options);
  EXPECT_EQ(report.score.trend, Trend::improves);
  EXPECT_EQ(report.accuracy.trend, Trend::improves);
  EXPECT_NEAR(report.link.k, 8, 0.3);
  EXPECT_LT(report.link.rms_miss, 2 * *report.link.expected_miss);
  ASSERT_TRUE(report.extrapolated && report.extrapolated->accuracy);
  EXPECT_NEAR(report.extrapolated->score, smooth(1e25), 0.003);
  EXPECT_NEAR(*report.extrapolated->accuracy, std::exp(-8 * smooth(1e25)), 0.03);
  EXPECT_NEAR(report.extrapolated->factor, 1e6 / std::pow(3.0, 9), 1e-6 * 51);
}

TEST(Emergence, SaysThatAJumpIsInTheMetric) {
  TaskScores scores;
  for (int i = 0; i < 6; ++i) {
    scores.size.push_back(std::pow(10.0, 20 + i));
    scores.score.push_back(1.0 - 0.15 * i);
    scores.accuracy.push_back(i < 4 ? 0.01 * i : 0.7 + 0.05 * i);
  }
  EXPECT_TRUE(says(examine(scores, {}), "the jump is in the metric"));
  for (int i = 0; i < 6; ++i)
    scores.score[static_cast<std::size_t>(i)] = i < 4 ? 1.0 - 0.01 * i : 0.3 - 0.01 * i;
  EXPECT_TRUE(says(examine(scores, {}), "the score jumps there too"));
}

TEST(Emergence, NeverExtrapolatesATurnOrAnInverseTrend) {
  EmergenceOptions options;
  options.at = 1e25;
  const Emergence inverse = examine(
      task_of([](double size) { return 0.1 + 0.05 * std::log(size / 1e19); }, 3, 500), options);
  EXPECT_EQ(inverse.score.trend, Trend::inverse);
  EXPECT_FALSE(inverse.extrapolated);
  EXPECT_TRUE(says(inverse, "not extrapolated to 1e+25: inverse"));
  const Emergence turned =
      examine(task_of([](double size) { return 0.3 + 0.02 * std::pow(std::log(size / 1.4e21), 2); },
                      3, 500),
              options);
  EXPECT_EQ(turned.score.trend, Trend::inverted_u);
  EXPECT_FALSE(turned.extrapolated);
  const Emergence flat =
      examine(task_of([](double size) { return 0.5 + 0.01 * std::sin(size); }, 3, 500), options);
  EXPECT_EQ(flat.score.trend, Trend::none);
  EXPECT_TRUE(says(flat, "no trend"));
}

TEST(Emergence, KnowsChanceCeilingAndTheNoiseOfFewItems) {
  TaskScores scores{
      "t", {1, 2, 3, 4}, {3, 2, 1, 0.1}, {0.05, 0.27, 0.6, 0.99}, {100, 100, 100, 100}};
  EmergenceOptions options;
  options.chance = 0.25;
  const Emergence report = examine(scores, options);
  EXPECT_EQ(report.points[0].place, Place::below_chance);
  EXPECT_EQ(report.points[1].place, Place::at_chance);
  EXPECT_EQ(report.points[2].place, Place::between);
  EXPECT_EQ(report.points[3].place, Place::at_ceiling);
  EXPECT_NEAR(*report.points[2].deviation, std::sqrt(0.6 * 0.4 / 100), 1e-3);
  EXPECT_EQ(report.score.trend, Trend::too_few);
  scores.items.clear();
  EXPECT_TRUE(says(examine(scores, options), "number of items is unknown"));
}

TEST(Emergence, SaysWhenTheScoreDoesNotExplainTheAccuracy) {
  TaskScores scores = task_of(smooth, 8, 4000);
  std::reverse(scores.accuracy.begin(), scores.accuracy.end());
  EmergenceOptions options;
  options.at = 1e25;
  const Emergence report = examine(scores, options);
  EXPECT_TRUE(says(report, "does not explain the accuracy"));
  ASSERT_TRUE(report.extrapolated);
  EXPECT_FALSE(report.extrapolated->accuracy);
}

TEST(Emergence, ReadsTasksAndNamesWhatIsWrong) {
  const ScoresFile file = read_scores(
      "task,C,score,accuracy,items\na,1e20,-2,0.5,10\nb,1e20,-1,1,10\na,1e21,-1,0.6,10\n", "s.csv",
      {{"flops", "C"}}, "", true);
  ASSERT_EQ(file.tasks.size(), 2u);
  EXPECT_EQ(file.size, "flops");
  EXPECT_EQ(file.tasks[0].size, (std::vector<double>{1e20, 1e21}));
  EXPECT_EQ(file.tasks[0].score, (std::vector<double>{2, 1}));
  const auto error_of = [](const std::string& text) -> std::string {
    try {
      read_scores(text, "s.csv", {}, "", false);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of("flops,score,accuracy\n1e20,1,1.2\n"),
            "s.csv:2: accuracy: saw '1.2', needed a number from 0 to 1");
  EXPECT_NE(error_of("flops,score\n1e20,1\n").find("accuracy: the column is missing"),
            std::string::npos);
  EXPECT_NE(error_of("score,accuracy\n1,1\n").find("flops: the column is missing"),
            std::string::npos);
  EXPECT_NE(error_of("flops,score,accuracy\n1e20,nan,1\n").find("saw 'nan'"), std::string::npos);
  EXPECT_NE(error_of("flops,score,accuracy\n1e20,1\n").find("saw 2 fields"), std::string::npos);
  EXPECT_NE(error_of("").find("empty"), std::string::npos);
  EXPECT_NE(error_of("flops,score,accuracy\n").find("without scores"), std::string::npos);
  EmergenceOptions upside_down;
  upside_down.chance = 1;
  EXPECT_THROW(examine(task_of(smooth, 8, 10), upside_down), InputError);
}

TEST(Emergence, TheIntervalOfTheAccuracyHoldsTheMissesOfTheLink) {
  EmergenceOptions options;
  options.at = 1e25;
  const Emergence report = examine(task_of(smooth, 8, 100), options);
  ASSERT_TRUE(report.extrapolated && report.extrapolated->accuracy_interval);
  const Interval& score = *report.extrapolated->score_interval;
  const Interval& accuracy = *report.extrapolated->accuracy_interval;
  const auto linked = [&](double at) { return std::exp(-report.link.k * at); };
  const double least = 1.28 * report.link.rms_miss;
  EXPECT_LT(accuracy.low, std::min(linked(score.high), *report.extrapolated->accuracy - least));
  EXPECT_GT(accuracy.high,
            std::min(0.999, std::max(linked(score.low), *report.extrapolated->accuracy + least)));
}

TEST(Emergence, ScoresWithoutALogarithmAreAVerdict) {
  EmergenceOptions options;
  options.at = 1e25;
  TaskScores scores = task_of(smooth, 8, 4000);
  scores.score.back() = 0;
  const Emergence report = examine(scores, options);
  EXPECT_FALSE(report.extrapolated);
  EXPECT_TRUE(says(report, "not extrapolated to 1e+25: score: saw 0, an extrapolation needs"));
}

TEST(Emergence, PassesOnTheWarningsOfItsFit) {
  EmergenceOptions options;
  options.at = 1e20;
  TaskScores close = task_of(smooth, 8, 4000);
  for (std::size_t i = 0; i < close.size.size(); ++i)
    close.size[i] = 1e19 * (1 + 0.1 * static_cast<double>(i));
  EXPECT_TRUE(says(examine(close, options), "of the extrapolation: flops span only"));
  options.size = Variable::params;
  EXPECT_TRUE(says(examine(close, options), "of the extrapolation: params span only"));
}

}  // namespace
}  // namespace isoflop::laws
