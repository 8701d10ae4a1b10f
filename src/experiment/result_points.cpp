#include "experiment/result_points.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace isoflop::experiment {

laws::Points points_of(const record::Results& results, bool counts_embeddings,
                       const std::string& source) {
  laws::Points points;
  points.source = source;
  points.notes.push_back(counts_embeddings
                             ? "params counts all parameters (n_total), flops is 6 n_total tokens"
                             : "params counts no embeddings (n_non_embedding), flops is 6 "
                               "n_non_embedding tokens");
  for (const record::ResultRow& row : results.rows) {
    if (row.role != "fit") {
      points.left_out.push_back({row.run, "it is a " + row.role + " of the sweep: no fit sees it"});
    } else if (row.status != "finished") {
      points.left_out.push_back({row.run, "its status is " + row.status});
    } else {
      points.params.push_back(
          static_cast<double>(counts_embeddings ? row.n_total : row.n_non_embedding));
      points.tokens.push_back(static_cast<double>(row.tokens));
      points.loss.push_back(row.loss);
      points.steps.push_back(static_cast<double>(row.steps));
      points.batch.push_back(static_cast<double>(row.global_batch * row.context));
      points.unique_tokens.push_back(static_cast<double>(row.d_unique));
      points.learning_rate.push_back(row.learning_rate);
      points.name.push_back(row.run);
    }
  }
  // what a run does not record (a synthetic text has no unique tokens) is 0 in its row
  for (auto* column : {&points.steps, &points.batch, &points.unique_tokens, &points.learning_rate})
    if (std::ranges::find(*column, 0.0) != column->end()) column->clear();
  require(points.size() > 0, "{}: no finished run to fit: isoflop sweep status shows why", source);
  return points;
}

}  // namespace isoflop::experiment
