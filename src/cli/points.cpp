#include "cli/points.hpp"

#include "cli/files.hpp"
#include "core/error.hpp"
#include "experiment/result_points.hpp"
#include "laws/points/csv.hpp"
#include "record/results.hpp"

namespace isoflop::cli {
namespace {

laws::Rows csv_rows(RunRows rows) {
  if (rows == RunRows::final_losses) return laws::Rows::measured;
  return rows == RunRows::curves ? laws::Rows::curves : laws::Rows::schedules;
}

}  // namespace

laws::Points read_points(const std::string& path, const std::vector<std::string>& columns,
                         std::span<const laws::Variable> needed, RunRows rows,
                         bool counts_embeddings, std::span<const laws::Variable> wanted,
                         const Kinds& kinds) {
  constexpr std::string_view kHdf5 = "\x89HDF\r\n\x1a\n";
  const laws::ColumnNames names = laws::parse_column_names(columns);
  const std::string text = read_named_file(path);  // once: it may be a pipe
  if (!text.starts_with(kHdf5)) {
    require(kinds.params.empty() && kinds.flops.empty(),
            "--params-kind, --flops-kind: {} is a CSV, which says so itself: needed columns "
            "params_kind and flops_kind in it",
            path);
    return laws::parse_csv(text, path, names, needed, csv_rows(rows), wanted);
  }
  require(names.empty(),
          "--column, --weight-by COLUMN: {} is a results file, its columns have fixed names", path);
  const bool exact = kinds.flops == "exact";
  require(
      !exact || rows == RunRows::final_losses,
      "--flops-kind exact: along their way runs have 6 N D alone: needed a law of final losses");
  require(kinds.params.empty() || rows != RunRows::schedules,
          "--params-kind: the law reads no params: needed no --params-kind");
  if (!kinds.params.empty()) counts_embeddings = kinds.params == "total";
  const record::Results results = record::read_results(path);
  const experiment::FindRecord find_record = experiment::linked_records_of(path);
  if (rows == RunRows::schedules) return experiment::schedules_of(results, path, find_record);
  return rows == RunRows::curves
             ? experiment::curves_of(results, counts_embeddings, path, find_record)
             : experiment::points_of(
                   results, counts_embeddings, path, find_record,
                   exact ? experiment::FlopsKind::exact : experiment::FlopsKind::six_nd);
}

}  // namespace isoflop::cli
