#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/sweep.hpp"
#include "core/error.hpp"
#include "experiment/collect.hpp"
#include "experiment/local/display.hpp"
#include "laws/fit_json.hpp"
#include "laws/report.hpp"

namespace isoflop::cli {
namespace {

using experiment::Collection;

std::string run_table(const record::Results& results) {
  std::string text = fmt::format("{:<32} {:<6} {:<9} {:>7} {:>7} {:>10} {:>9} {:>9} {:>9}\n", "run",
                                 "role", "status", "N", "D", "C 6ND", "loss", "bits/byte", "time");
  for (const record::ResultRow& row : results.rows) {
    text +=
        fmt::format("{:<32} {:<6} {:<9} {:>7} {:>7} {:>10.3e} {:>9.4f} {:>9.4f} {:>9}\n", row.label,
                    row.role, row.status, laws::short_count(static_cast<double>(row.n_total)),
                    laws::short_count(static_cast<double>(row.tokens)), row.flops_6nd, row.loss,
                    row.bits_per_byte, experiment::clock_time(row.seconds));
  }
  return text;
}

std::string target_text(const experiment::TargetCheck& target) {
  std::string text =
      fmt::format("target: N {}, D {}, C {:.3e} FLOP (6ND)\n  predicted by {}: {:.4f} nats/token",
                  laws::short_count(target.params), laws::short_count(target.tokens), target.flops,
                  target.fit, target.prediction.loss);
  if (const auto& interval = target.prediction.interval) {
    text += fmt::format(" ({:.0f}% interval {:.4f} to {:.4f}: {})", 100 * interval->level,
                        interval->low, interval->high, interval->covers);
  }
  if (!target.measured) return text + "\n  not measured: the target has not finished\n";
  text += fmt::format("\n  measured: {:.4f} nats/token, error of the prediction {:+.2f}%",
                      *target.measured, target.error_percent());
  if (target.prediction.interval)
    text += target.is_inside() ? ", inside the interval" : ", outside the interval";
  return text + "\n";
}

std::string describe(const Collection& collection) {
  std::string text = run_table(collection.results);
  if (!collection.without_record.empty())
    text += fmt::format("{} runs have not begun\n", collection.without_record.size());
  for (const auto& fit : collection.fits) text += "\n" + laws::describe(fit.fit);
  for (const auto& missing : collection.missing)
    text += fmt::format("\nno fit {}: {}\n", missing.name, missing.reason);
  if (collection.target) text += "\n" + target_text(*collection.target);
  return text;
}

std::string json_text(const Collection& collection) {
  nlohmann::ordered_json json;
  json["results"] = nlohmann::ordered_json::array();
  for (const record::ResultRow& row : collection.results.rows) {
    nlohmann::ordered_json entry;
    record::ResultRow::fields(row, [&](const char* name, const auto& value, auto...) {
      entry[name] = value;  // a loss that is not there is NaN, which JSON spells null
    });
    json["results"].push_back(entry);
  }
  json["not_begun"] = collection.without_record;
  json["fits"] = nlohmann::ordered_json::object();
  for (const auto& fit : collection.fits)
    json["fits"][fit.name] = nlohmann::ordered_json::parse(laws::to_json(fit.fit));
  json["prediction"] = nullptr;
  if (collection.target) {
    json["prediction"] =
        nlohmann::ordered_json::parse(experiment::prediction_json(*collection.target));
  }
  return json.dump(2) + "\n";
}

void collect(const SweepOptions& options) {
  const Sweep sweep = open_sweep(options.study, options.out);
  const Collection collection = experiment::collect(sweep.manifest, sweep.plan, sweep.directory);
  print_result(describe(collection), json_text(collection), options.json);
  for (const auto& missing : collection.missing)
    throw InputError(fmt::format("{}: {}", missing.name, missing.reason));
}

}  // namespace

void add_sweep_collect(CLI::App& sweep_app) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* command = sweep_app.add_subcommand(
      "collect", "Gather the losses, fit the laws, hold the prediction against the target");
  add_sweep_options(*command, *options);
  command->footer(
      "Writes results.h5, fit-<law>[-<method>].json and, when the target has finished, "
      "prediction.json into the sweep's directory.");
  command->callback([options] { collect(*options); });
}

}  // namespace isoflop::cli
