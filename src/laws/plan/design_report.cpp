#include "laws/plan/design_report.hpp"

#include "core/text.hpp"
#include "laws/fit/bootstrap.hpp"
#include "laws/json/json_parts.hpp"
#include "laws/predict/report.hpp"

namespace isoflop::laws {
namespace {

/// Of the target's loss before any new run, on the same footing as the rows below it.
Interval interval_now(const Design& design, const DesignOptions& options) {
  return interval_after(design, options.level, design.deviation);
}

std::string table_row(const std::string& run, const Candidate* candidate, double spent,
                      const Interval& interval) {
  const double half = 50 * std::log(interval.high / interval.low);
  return fmt::format("  {:>3} {:>9} {:>9} {:>10} {:>10} {:>10.5g} {:>10.5g} {:>9}\n", run,
                     candidate ? short_count(candidate->params) : "",
                     candidate ? short_count(candidate->tokens) : "",
                     candidate ? fmt::format("{:.3g}", candidate->flops()) : "",
                     candidate ? fmt::format("{:.3g}", spent) : "", interval.low, interval.high,
                     fmt::format("{:.2f}%", half));
}

}  // namespace

std::string describe(const Design& design, const DesignOptions& options) {
  const Candidate& target = options.target;
  const std::string level = fmt::format("{:.4g}% low", 100 * options.level);
  std::string text = fmt::format(
      "{}: next runs for the loss of {} params, {} tokens ({:.3g} FLOP), predicted {:.6g}\n\n"
      "  {:>3} {:>9} {:>9} {:>10} {:>10} {:>10} {:>10} {:>9}\n",
      design.fit.is_ensemble ? fmt::format("ensemble of {} laws, planned around {}",
                                           design.fit.members.size(), design.fit.law)
                             : design.fit.law,
      short_count(target.params), short_count(target.tokens), target.flops(), design.now.value,
      "run", "params", "tokens", "FLOP", "spent", level, "high", "+-");
  text += table_row("now", nullptr, 0, interval_now(design, options));
  for (std::size_t i = 0; i < design.runs.size(); ++i)
    text += table_row(fmt::format("{}", i + 1), &design.runs[i].run, design.runs[i].spent,
                      design.runs[i].after);
  const double floor = 100 * (std::exp(normal_half_width(options.level) * design.noise) - 1);
  if (design.runs.empty())
    text += "\nno run within the budget would narrow the interval by more than 0.05%\n";
  text += fmt::format(
      "\nThe interval after a run is what the plan expects if the target stays where it is "
      "predicted now. A run's own\nnoise is {:.2f}% of the loss: no plan gets below +-{:.2f}%. "
      "Fit again after some of them; suggest again.\n",
      100 * design.noise, floor);
  if (design.bend == 0)
    text += "note  the points alone explain the interval: no allowance for bends of the law\n";
  for (const std::string& warning : design.fit.warnings) text += "warning  " + warning + "\n";
  return text;
}

std::string to_json(const Design& design, const DesignOptions& options) {
  Json runs = Json::array();
  for (const SuggestedRun& run : design.runs)
    runs.push_back({{"params", run.run.params},
                    {"tokens", run.run.tokens},
                    {"flops", run.run.flops()},
                    {"spent", run.spent},
                    {"deviation", run.deviation},
                    {"interval", json_of(std::optional(run.after))}});
  return lines({{"law", design.fit.law},
                {"target",
                 {{"params", options.target.params},
                  {"tokens", options.target.tokens},
                  {"flops", options.target.flops()}}},
                {"budget", options.budget},
                {"loss", design.now.value},
                {"interval", json_of(std::optional(interval_now(design, options)))},
                {"deviation", design.deviation},
                {"noise", design.noise},
                {"bend", design.bend},
                {"runs", runs},
                {"warnings", design.fit.warnings}});
}

}  // namespace isoflop::laws
