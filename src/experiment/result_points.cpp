#include "experiment/result_points.hpp"

#include "core/error.hpp"

namespace isoflop::experiment {

laws::Points points_of(const record::Results& results, const laws::Law& law,
                       const std::string& source) {
  laws::Points points;
  points.source = source;
  points.notes.push_back(law.counts_embeddings
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
          static_cast<double>(law.counts_embeddings ? row.n_total : row.n_non_embedding));
      points.tokens.push_back(static_cast<double>(row.tokens));
      points.loss.push_back(row.loss);
      points.name.push_back(row.run);
    }
  }
  require(points.size() > 0, "{}: no finished run to fit: isoflop sweep status shows why", source);
  return points;
}

}  // namespace isoflop::experiment
