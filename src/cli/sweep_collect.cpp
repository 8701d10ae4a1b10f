#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/sweep.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "experiment/collect.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/predict/report.hpp"

namespace isoflop::cli {
namespace {

using experiment::Collection;

constexpr const char* kReportCommand = "tools/python.sh -m isoflop_analysis ";

std::string run_table(const record::Results& results) {
  std::string text = fmt::format("{:<32} {:<6} {:<9} {:>7} {:>7} {:>10} {:>9} {:>9} {:>9}\n", "run",
                                 "role", "status", "N", "D", "C 6ND", "loss", "bits/byte", "time");
  for (const record::ResultRow& row : results.rows) {
    text +=
        fmt::format("{:<32} {:<6} {:<9} {:>7} {:>7} {:>10.3e} {:>9.4f} {:>9.4f} {:>9}\n", row.label,
                    row.role, row.status, short_count(static_cast<double>(row.n_total)),
                    short_count(static_cast<double>(row.tokens)), row.flops_6nd, row.loss,
                    row.bits_per_byte, clock_time(row.seconds));
  }
  return text;
}

std::string target_text(const experiment::TargetCheck& target) {
  std::string text = fmt::format(
      "target: N {}, D {}, C {:.3e} FLOP (6ND)\n"
      "  predicted  {:.4f} nats/token by {}\n",
      short_count(target.params), short_count(target.tokens), target.flops, target.prediction.value,
      target.fit);
  const auto& interval = target.prediction.interval;
  if (interval) {
    text += fmt::format("  interval   {:.4f} to {:.4f} ({:.0f}%: {})\n", interval->low,
                        interval->high, 100 * interval->level, interval->covers);
    if (!interval->not_calibrated.empty())
      text += fmt::format("             not calibrated: {}\n", interval->not_calibrated);
  }
  if (!target.measured) return text + "  measured   not yet: the target has not finished\n";
  text += fmt::format("  measured   {:.4f} nats/token{}\n", *target.measured,
                      !interval            ? ""
                      : target.is_inside() ? ", inside the interval"
                                           : ", outside the interval");
  return text + fmt::format("  error      {:+.2f}% of the measured loss\n", target.error_percent());
}

std::string written_text(const Collection& collection, const experiment::SweepDirectory& sweep) {
  std::string text = "written:\n  " + sweep.results().string() + "\n";
  for (const auto& fit : collection.fits) text += "  " + sweep.fit(fit.name).string() + "\n";
  if (collection.target && collection.target->measured)
    text += "  " + sweep.prediction().string() + "\n";
  return text + "a page of figures: " + kReportCommand + shell_word(sweep.path().string()) + "\n";
}

std::string describe(const Collection& collection, const experiment::SweepDirectory& sweep) {
  std::string text = run_table(collection.results);
  if (!collection.without_record.empty())
    text += fmt::format("{} runs have not begun\n", collection.without_record.size());
  for (const auto& fit : collection.fits) text += "\n" + laws::describe(fit.fit);
  for (const auto& missing : collection.missing)
    text += fmt::format("\nno fit {}: {}\n", missing.name, missing.reason);
  text += "\n" + std::string(72, '=') + "\n";
  if (collection.target) text += target_text(*collection.target);
  if (!collection.no_prediction.empty())
    text += fmt::format("target: no prediction by {}\n", collection.no_prediction);
  return text + written_text(collection, sweep);
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
  const Sweep sweep = open_sweep(options, Purpose::look);
  const Collection collection = experiment::collect(sweep.manifest, sweep.plan, sweep.directory);
  print_result(describe(collection, sweep.directory), json_text(collection), options.json);
  for (const auto& missing : collection.missing)
    throw InputError(fmt::format("{}: {}", missing.name, missing.reason));
  const bool asked = sweep.manifest.fit && !sweep.manifest.fit->predict.empty();
  require(!asked || collection.no_prediction.empty(), "no prediction by {}",
          collection.no_prediction);
}

}  // namespace

void add_sweep_collect(CLI::App& sweep_app) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* command = sweep_app.add_subcommand(
      "collect", "Gather the losses, fit the laws, hold the prediction against the target");
  add_sweep_options(*command, *options);
  command->footer(
      "Writes results.h5, fit-<law>[-<method>].json and, when the target has finished, "
      "prediction.json into the sweep's directory. Then " +
      std::string(kReportCommand) + "SWEEP_DIR draws report.html from them.");
  command->callback([options] { collect(*options); });
}

}  // namespace isoflop::cli
