#include "laws/json/json_parts.hpp"
#include "laws/law/law.hpp"
#include "laws/predict/compare.hpp"

namespace isoflop::laws {
namespace {

std::string percent(double share) { return fmt::format("{:.3g}%", 100 * share); }

std::string verdict(const ComparedLaw& law, bool is_best) {
  if (is_best) return "best";
  if (!law.within_noise) return "not tested against the best (no draws)";
  if (*law.within_noise) return "within noise of the best";
  return "worse";
}

}  // namespace

std::string describe(const Comparison& comparison) {
  const std::string without =
      comparison.worst_left_out > 0
          ? fmt::format(" without the {} highest losses", comparison.worst_left_out)
          : "";
  std::string text =
      fmt::format("{} points{}, {} cuts:", comparison.points, without, comparison.cuts.size());
  for (std::size_t k = 0; k < comparison.cuts.size(); ++k)
    text += fmt::format(" {:.2g} ({} above)", comparison.cuts[k], comparison.held_out[k]);
  text += fmt::format("\n\n  {:<22} {:>10} {:>10} {:>10} {:>10}\n", "law", "parameters",
                      "in sample", "rollout", "bias");
  for (std::size_t i = 0; i < comparison.laws.size(); ++i) {
    const ComparedLaw& law = comparison.laws[i];
    const std::string name = law.variable.empty() ? law.law : law.law + "(" + law.variable + ")";
    text += fmt::format("  {:<22} {:>10} {:>10} {:>10} {:>10}   {}\n", name, law.parameters,
                        percent(law.in_sample), percent(law.rollout),
                        fmt::format("{:+.3g}%", 100 * law.bias), verdict(law, i == 0));
  }
  text +=
      "\nin sample: rms residual of the fit to all points; rollout: rms miss of fits below each "
      "cut "
      "at the points above;\nbias: mean of those misses, + predicts losses too high\n";
  for (const LeftOut& law : comparison.left_out)
    text += fmt::format("left out   {}: {}\n", law.name, law.reason);
  return text;
}

std::string to_json(const Comparison& comparison) {
  Json laws = Json::array();
  for (const ComparedLaw& law : comparison.laws)
    laws.push_back({{"law", law.law},
                    {"variable", law.variable},
                    {"parameters", law.parameters},
                    {"in_sample", number(law.in_sample)},
                    {"rollout", number(law.rollout)},
                    {"bias", number(law.bias)},
                    {"rollout_of_cut", law.rms_of_cut},
                    {"p_as_good_as_best", number(law.p_better)},
                    {"within_noise", law.within_noise ? Json(*law.within_noise) : Json(nullptr)}});
  Json left_out = Json::array();
  for (const LeftOut& law : comparison.left_out)
    left_out.push_back({{"law", law.name}, {"reason", law.reason}});
  return lines({{"points", comparison.points},
                {"worst_left_out", comparison.worst_left_out},
                {"cuts", comparison.cuts},
                {"held_out", comparison.held_out},
                {"laws", laws},
                {"left_out", left_out}});
}

}  // namespace isoflop::laws
