#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "parallel/pipeline/schedule.hpp"
#include "parallel/pipeline/timeline.hpp"
#include "parallel/pipeline/verify.hpp"

namespace isoflop::parallel {
namespace {

constexpr std::size_t kMostRanks = 16;
constexpr std::size_t kMostMicroBatches = 64;

void for_every_shape(const std::function<void(const PipelineShape&)>& action) {
  for (std::size_t ranks = 1; ranks <= kMostRanks; ++ranks) {
    for (std::size_t m = 1; m <= kMostMicroBatches; ++m) {
      for (const ScheduleKind kind :
           {ScheduleKind::gpipe, ScheduleKind::one_forward_one_backward, ScheduleKind::zero_bubble})
        action({kind, ranks, m, 1});
      for (std::size_t chunks = 1; chunks <= 4; ++chunks)
        action({ScheduleKind::interleaved, ranks, m, chunks});
    }
  }
}

std::string text(const PipelineShape& shape) {
  return std::string(name_of(shape.kind)) + " ranks " + std::to_string(shape.ranks) + " m " +
         std::to_string(shape.micro_batches) + " chunks " + std::to_string(shape.chunks);
}

std::size_t peak(const Schedule& schedule, std::size_t rank, Pass from, Pass to) {
  std::size_t now = 0, most = 0;
  for (const Operation& operation : schedule.operations[rank]) {
    if (operation.pass == from) most = std::max(most, ++now);
    if (operation.pass == to) --now;
  }
  return most;
}

TEST(Pipeline, EveryScheduleIsSound) {
  std::size_t shapes = 0;
  for_every_shape([&](const PipelineShape& shape) {
    ++shapes;
    ASSERT_EQ(problem(make_schedule(shape)), "") << text(shape);
  });
  EXPECT_EQ(shapes, kMostRanks * kMostMicroBatches * 7);
}

TEST(Pipeline, ActivationsInFlightAreTheFormula) {
  for_every_shape([](const PipelineShape& shape) {
    const Schedule schedule = make_schedule(shape);
    const bool split = shape.kind == ScheduleKind::zero_bubble;
    for (std::size_t rank = 0; rank < shape.ranks; ++rank) {
      ASSERT_EQ(peak(schedule, rank, Pass::forward, split ? Pass::backward_weight : Pass::backward),
                most_in_flight(shape, rank))
          << text(shape) << " rank " << rank;
      ASSERT_EQ(peak(schedule, rank, Pass::backward_input, Pass::backward_weight),
                split ? std::min(rank + 1, shape.passes()) : 0)
          << text(shape) << " rank " << rank;
    }
  });
}

// The published bounds: m for GPipe, at most the depth for 1F1B and ZB-H1 (Qi et al. 2023, table
// 2).
TEST(Pipeline, ActivationsInFlightAreThePublishedOnes) {
  const auto first = [](ScheduleKind kind, std::size_t chunks) {
    return most_in_flight({kind, 4, 32, chunks}, 0);
  };
  EXPECT_EQ(first(ScheduleKind::gpipe, 1), 32u);
  EXPECT_EQ(first(ScheduleKind::one_forward_one_backward, 1), 4u);
  EXPECT_EQ(first(ScheduleKind::zero_bubble, 1), 4u);
  // v pp (1 + (pp - 1) / (v pp)) chunks, Narayanan et al. 2021 and Korthikanti et al. 2022
  EXPECT_EQ(first(ScheduleKind::interleaved, 2), 2 * 4 + 3u);
}

TEST(Pipeline, SimulatedBubbleIsTheFormula) {
  const PassTimes times[] = {{1.0, 1.0, 1.0}, {1.0, 1.2, 0.8}, {3.0, 4.0, 2.0}};
  for_every_shape([&](const PipelineShape& shape) {
    for (const PassTimes& rank : times) {
      const Timeline timeline = simulate(make_schedule(shape), equal_stages(shape, rank, 0.0));
      const std::optional<double> formula = bubble_formula(shape, rank);
      const bool plain = shape.chunks == 1 && shape.kind != ScheduleKind::zero_bubble;
      ASSERT_EQ(formula.has_value(), plain || shape.micro_batches >= shape.ranks) << text(shape);
      if (formula) {
        ASSERT_NEAR(timeline.bubble(), *formula, 1e-12) << text(shape);
      }
    }
  });
}

TEST(Pipeline, WhereWeightGradientsTakeLongestZeroBubbleHasNoFormula) {
  const PassTimes longer{1.0, 1.0, 10.0}, equal{1.0, 1.0, 1.0};
  const PipelineShape split{ScheduleKind::zero_bubble, 4, 8, 1};
  EXPECT_FALSE(bubble_formula(split, longer));
  EXPECT_TRUE(bubble_formula(split, equal));
  EXPECT_TRUE(bubble_formula({ScheduleKind::one_forward_one_backward, 4, 8, 1}, longer));
}

TEST(Pipeline, TheBubbleOfEqualStagesNeedsNoFormula) {
  const PipelineShape few{ScheduleKind::zero_bubble, 4, 2, 1};
  ASSERT_FALSE(bubble_formula(few, {}));
  EXPECT_NEAR(bubble_of_equal_stages(few), 5.0 / 11.0, 1e-12);
  const PipelineShape many{ScheduleKind::interleaved, 4, 6, 2};
  EXPECT_NEAR(bubble_of_equal_stages(many), *bubble_formula(many, {}), 1e-12);
}

TEST(Pipeline, ZeroBubbleIdlesAThirdOf1F1B) {
  const PipelineShape plain{ScheduleKind::one_forward_one_backward, 4, 8, 1};
  const PipelineShape split{ScheduleKind::zero_bubble, 4, 8, 1};
  const auto idle_time = [](const PipelineShape& shape) {
    const Timeline timeline = simulate(make_schedule(shape), equal_stages(shape, {}, 0.0));
    return timeline.bubble() * timeline.makespan();
  };
  EXPECT_NEAR(idle_time(plain), 9.0, 1e-12);
  EXPECT_NEAR(idle_time(split), 3.0, 1e-12);
}

TEST(Pipeline, HeadGradientsInFlightAreFewAndEnough) {
  EXPECT_EQ(head_gradients_in_flight({ScheduleKind::one_forward_one_backward, 4, 8, 1}, 8), 1u);
  EXPECT_EQ(head_gradients_in_flight({ScheduleKind::one_forward_one_backward, 4, 16, 1}, 8), 2u);
  EXPECT_EQ(head_gradients_in_flight({ScheduleKind::gpipe, 4, 16, 1}, 1), 4u);
  for (std::size_t ranks = 1; ranks <= 8; ++ranks) {
    for (const std::size_t each : {1u, 2u, 3u}) {
      for (const ScheduleKind kind :
           {ScheduleKind::gpipe, ScheduleKind::one_forward_one_backward, ScheduleKind::zero_bubble})
        EXPECT_LE(head_gradients_in_flight({kind, ranks, 6 * each, 1}, each),
                  (ranks - 1 + each - 1) / each + 1);
      EXPECT_LE(head_gradients_in_flight({ScheduleKind::interleaved, ranks, 6 * each, 2}, each),
                6u);
    }
  }
}

TEST(Pipeline, MessagesDelayTheNextStage) {
  const PipelineShape shape{ScheduleKind::gpipe, 3, 1, 1};
  const Timeline timeline = simulate(make_schedule(shape), equal_stages(shape, {}, 0.5));
  EXPECT_EQ(timeline.ranks[2][0].begin, 3.0);  // two passes, two messages
  EXPECT_EQ(timeline.makespan(), 3 * 1.0 + 3 * 2.0 + 4 * 0.5);
}

TEST(Pipeline, ASlowStageSetsThePace) {
  const PipelineShape shape{ScheduleKind::one_forward_one_backward, 2, 4, 1};
  StageTimes times = equal_stages(shape, {}, 0.0);
  times.stages[1] = {2.0, 2.0, 2.0};
  const Timeline timeline = simulate(make_schedule(shape), times);
  EXPECT_EQ(timeline.makespan(), 1.0 + 4 * 6.0 + 2.0);
  EXPECT_NEAR(timeline.idle(0), 1.0 - 12.0 / 27.0, 1e-12);
}

TEST(Pipeline, RefusesShapesThatAreNone) {
  EXPECT_NE(problem(PipelineShape{ScheduleKind::gpipe, 0, 1, 1}), "");
  EXPECT_NE(problem(PipelineShape{ScheduleKind::gpipe, 2, 4, 2}), "");
  EXPECT_EQ(problem(PipelineShape{ScheduleKind::interleaved, 2, 4, 2}), "");
}

// What the verifier must find, each in a schedule that was sound before.
class BrokenSchedule : public ::testing::Test {
 protected:
  Schedule split_ = make_schedule({ScheduleKind::zero_bubble, 3, 6, 1});
  Schedule plain_ = make_schedule({ScheduleKind::one_forward_one_backward, 3, 6, 1});

  static void expect_problem(const Schedule& schedule, const char* part) {
    const std::string trouble = problem(schedule);
    EXPECT_NE(trouble.find(part), std::string::npos) << trouble;
  }
};

TEST_F(BrokenSchedule, MissingPass) {
  plain_.operations[1].pop_back();
  expect_problem(plain_, "rank 1: a pass is missing");
}

TEST_F(BrokenSchedule, RepeatedPass) {
  plain_.operations[2].push_back(plain_.operations[2].back());
  expect_problem(plain_, "rank 2: backward of micro-batch 5, chunk 0 runs twice");
}

TEST_F(BrokenSchedule, UnknownMicroBatch) {
  plain_.operations[0].push_back({Pass::forward, 0, 6});
  expect_problem(plain_, "does not exist");
}

TEST_F(BrokenSchedule, WeightGradientBeforeInputGradient) {
  auto& last = split_.operations[0];
  const auto weight = std::ranges::find(last, Operation{Pass::backward_weight, 0, 0});
  const auto input = std::ranges::find(last, Operation{Pass::backward_input, 0, 0});
  std::iter_swap(weight, input);
  expect_problem(split_, "before what it needs");
}

TEST_F(BrokenSchedule, GradientsOutOfOrder) {
  Schedule schedule = make_schedule({ScheduleKind::gpipe, 2, 4, 1});
  std::swap(schedule.operations[1][5], schedule.operations[1][6]);
  expect_problem(schedule, "adds its gradient out of order");
}

TEST_F(BrokenSchedule, TooManyActivations) {
  auto& first = plain_.operations[0];  // F0 F1 F2 B0 F3 ...
  std::swap(first[3], first[4]);
  expect_problem(plain_, "4 activations in flight, needed at most 3");
}

TEST_F(BrokenSchedule, MessagesOutOfOrder) {
  Schedule schedule = make_schedule({ScheduleKind::gpipe, 2, 4, 1});
  std::swap(schedule.operations[1][1], schedule.operations[1][2]);
  expect_problem(schedule, "rank 1: uses activations in another order than rank 0 sends them");
}

// The last rank wants micro-batch 1 first, the others bring back micro-batch 0 before they send it.
TEST_F(BrokenSchedule, RanksThatWaitForEachOther) {
  Schedule schedule{{ScheduleKind::one_forward_one_backward, 2, 2, 1},
                    {{{Pass::forward, 0, 0},
                      {Pass::backward, 0, 0},
                      {Pass::forward, 0, 1},
                      {Pass::backward, 0, 1}},
                     {{Pass::forward, 0, 1},
                      {Pass::forward, 0, 0},
                      {Pass::backward, 0, 0},
                      {Pass::backward, 0, 1}}}};
  schedule.shape.kind = ScheduleKind::gpipe;  // allows two in flight
  expect_problem(schedule, "rank 0 waits for ever before backward of micro-batch 0");
}

}  // namespace
}  // namespace isoflop::parallel
