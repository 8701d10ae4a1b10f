#include "laws/plan/optimal_report.hpp"

#include "core/text.hpp"
#include "laws/json/json_parts.hpp"
#include "laws/predict/report.hpp"

namespace isoflop::laws {
namespace {

std::string flop_count(double flops) { return fmt::format("{:.4g}", flops); }
std::string loss_value(double loss) { return fmt::format("{:.6g}", loss); }

std::string line(const char* name, double value, const std::optional<Interval>& interval,
                 std::string (*show)(double)) {
  std::string text = fmt::format("  {:<14} {:>10}", name, show(value));
  if (interval) {
    const std::string high =
        std::isfinite(interval->high) ? show(interval->high) : std::string("no limit");
    text += fmt::format("   {} to {} ({:.4g}%)", show(interval->low), high, 100 * interval->level);
  }
  return text + "\n";
}

}  // namespace

std::string describe(const Fit& fit, const Optimum& optimum) {
  const bool inference = optimum.inference_flops > 0;
  std::string text = fmt::format("{}, {} = {:.4g} FLOP\n\n", describe_predictor(fit),
                                 inference ? "best for training and inference, 6 N D + 2 N D_inf"
                                 : fit.is_frontier() ? "compute-optimal for C"
                                                     : "compute-optimal for C = 6 N D",
                                 optimum.total_flops());
  text += line("params", optimum.params, optimum.params_interval, short_count);
  text += line("tokens", optimum.tokens, optimum.tokens_interval, short_count);
  text += line("loss", optimum.prediction.value, optimum.prediction.interval, loss_value);
  const auto& spread = optimum.flops_interval;
  const bool flops_vary = spread && spread->high > spread->low * (1 + 1e-9);
  text += line("training FLOP", optimum.flops, flops_vary ? spread : std::nullopt, flop_count);
  if (inference) text += line("inference FLOP", optimum.inference_flops, {}, flop_count);
  if (const auto& interval = optimum.params_interval) {
    text += fmt::format("\nintervals of params and tokens cover {}\n", interval->covers);
    if (!interval->not_calibrated.empty())
      text += fmt::format("not calibrated: {}\n", interval->not_calibrated);
  }
  text += fmt::format("\n{:.4g} tokens a parameter", optimum.tokens / optimum.params);
  if (const auto& factor = optimum.prediction.extrapolation.flops)
    text += fmt::format("; {:.3g}x the largest fitted compute", *factor);
  text += '\n';
  text += fmt::format("counted like the fit: {}\n", describe(fit.conventions));
  for (const std::string& warning : optimum.warnings) text += "warning  " + warning + "\n";
  return text;
}

Json json_of(const Optimum& optimum) {
  const Prediction& prediction = optimum.prediction;
  return {{"flops", optimum.flops},
          {"inference_flops", optimum.inference_flops},
          {"total_flops", optimum.total_flops()},
          {"params", optimum.params},
          {"tokens", optimum.tokens},
          {"loss", number(prediction.value)},
          {"intervals",
           {{"params", json_of(optimum.params_interval)},
            {"tokens", json_of(optimum.tokens_interval)},
            {"flops", json_of(optimum.flops_interval)},
            {"loss", json_of(prediction.interval)}}},
          {"extrapolation",
           {{"params", number(prediction.extrapolation.params)},
            {"tokens", number(prediction.extrapolation.tokens)},
            {"flops", number(prediction.extrapolation.flops)}}},
          {"warnings", optimum.warnings}};
}

std::string to_json(const Optimum& optimum) { return lines(json_of(optimum)); }

}  // namespace isoflop::laws
