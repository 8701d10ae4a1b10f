#include "laws/optimal_report.hpp"

#include "laws/json_parts.hpp"
#include "laws/report.hpp"

namespace isoflop::laws {

std::string describe(const Fit& fit, const Optimum& optimum) {
  const auto line = [](const char* name, const std::string& value,
                       const std::optional<Interval>& interval, auto&& show) {
    std::string text = fmt::format("  {:<7} {:>10}", name, value);
    if (interval)
      text += fmt::format("   {} to {} ({})", show(interval->low), show(interval->high),
                          fmt::format("{:.4g}%", 100 * interval->level));
    return text + "\n";
  };
  const auto loss = [](double value) { return fmt::format("{:.6g}", value); };
  std::string text = fmt::format("{} [{}], compute-optimal for C = 6 N D = {:.4g} FLOP\n\n",
                                 fit.law, fit.method, optimum.flops);
  text += line("params", short_count(optimum.params), optimum.params_interval, short_count);
  text += line("tokens", short_count(optimum.tokens), optimum.tokens_interval, short_count);
  text += line("loss", loss(optimum.prediction.loss), optimum.prediction.interval, loss);
  const double factor = optimum.prediction.extrapolation.flops.value_or(0);
  text += fmt::format("\n{:.4g} tokens a parameter; {:.3g}x the largest fitted compute\n",
                      optimum.tokens / optimum.params, factor);
  return text;
}

std::string to_json(const Optimum& optimum) {
  const Prediction& prediction = optimum.prediction;
  return lines({{"flops", optimum.flops},
                {"params", optimum.params},
                {"tokens", optimum.tokens},
                {"loss", number(prediction.loss)},
                {"intervals",
                 {{"params", json_of(optimum.params_interval)},
                  {"tokens", json_of(optimum.tokens_interval)},
                  {"loss", json_of(prediction.interval)}}},
                {"extrapolation",
                 {{"params", number(prediction.extrapolation.params)},
                  {"tokens", number(prediction.extrapolation.tokens)},
                  {"flops", number(prediction.extrapolation.flops)}}}});
}

}  // namespace isoflop::laws
