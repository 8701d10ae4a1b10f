#include "experiment/result_points.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace isoflop::experiment {
namespace {

record::ResultRow row(const char* run, const char* role, const char* status) {
  record::ResultRow row;
  row.run = run;
  row.role = role;
  row.status = status;
  row.n_total = 1000;
  row.n_non_embedding = 700;
  row.tokens = 20000;
  row.loss = 3.25;
  return row;
}

TEST(ResultPoints, CountsParametersAsTheLawDoes) {
  record::Results results;
  results.rows = {row("one", "fit", "finished")};
  const laws::Points total = points_of(results, laws::find_law("chinchilla"), "results.h5");
  EXPECT_EQ(total.params, std::vector<double>{1000});
  EXPECT_EQ(total.tokens, std::vector<double>{20000});
  EXPECT_EQ(total.loss, std::vector<double>{3.25});
  EXPECT_EQ(points_of(results, laws::find_law("kaplan-n"), "results.h5").params,
            std::vector<double>{700});
}

TEST(ResultPoints, LeavesOutTargetsAndUnfinishedRunsWithReasons) {
  record::Results results;
  results.rows = {row("one", "fit", "finished"), row("two", "fit", "failed"),
                  row("three", "target", "finished")};
  const laws::Points points = points_of(results, laws::find_law("chinchilla"), "results.h5");
  EXPECT_EQ(points.name, std::vector<std::string>{"one"});
  ASSERT_EQ(points.left_out.size(), 2u);
  EXPECT_EQ(points.left_out[0].reason, "its status is failed");
  EXPECT_EQ(points.left_out[1].reason, "it is a target of the sweep: no fit sees it");
  results.rows.erase(results.rows.begin());
  EXPECT_THROW(points_of(results, laws::find_law("chinchilla"), "results.h5"), InputError);
}

}  // namespace
}  // namespace isoflop::experiment
