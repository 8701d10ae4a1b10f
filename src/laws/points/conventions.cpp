#include "laws/points/conventions.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "laws/points/points.hpp"

namespace isoflop::laws {
namespace {

bool is_decayed(const std::string& stage) { return stage == "final" || stage == "cooled-down"; }

std::string_view or_not_stated(const std::string& value) {
  return value.empty() ? "not stated" : std::string_view(value);
}

}  // namespace

const std::vector<std::string>& known_stages() {
  static const std::vector<std::string> stages = {"final", "cooled-down", "constant-lr",
                                                  "mid-decay"};
  return stages;
}

std::string describe(const Conventions& conventions) {
  std::string text =
      fmt::format("params {}; flops {}; loss {}; stage {}", or_not_stated(conventions.params),
                  or_not_stated(conventions.flops), or_not_stated(conventions.loss),
                  or_not_stated(conventions.stage));
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("; {} {}", name, value);
  };
  add("tokenizer", conventions.tokenizer);
  add("data", conventions.data);
  add("context", conventions.context);
  add("evaluation", conventions.evaluation);
  add("smoothing", conventions.smoothing);
  return text;
}

void require_same_kind(const Conventions& asked, const Conventions& fitted,
                       std::string_view source) {
  const auto check = [&](const char* column, const std::string& saw, const std::string& needed) {
    require(saw.empty() || needed.empty() || saw == needed,
            "{}: {}: saw '{}', the fit was made with '{}': give {}", source, column, saw, needed,
            std::string_view(column).ends_with("_kind")   ? "the sizes counted like the fit's"
            : std::string_view(column).ends_with("_unit") ? "losses in the fit's unit"
                                                          : "runs like those of the fit");
  };
  check("params_kind", asked.params, fitted.params);
  check("flops_kind", asked.flops, fitted.flops);
  check("loss_unit", asked.loss, fitted.loss);
  check("tokenizer", asked.tokenizer, fitted.tokenizer);
  check("data", asked.data, fitted.data);
  check("context", asked.context, fitted.context);
  check("evaluation", asked.evaluation, fitted.evaluation);
  check("smoothing", asked.smoothing, fitted.smoothing);
}

Conventions conventions_of(const Points& points, bool along_runs) {
  Conventions conventions = points.conventions;
  if (along_runs) {
    conventions.stage = "along the run";
    return conventions;
  }
  if (points.stage.empty()) return conventions;
  const std::string& first = points.stage.front();
  conventions.stage = first;
  for (std::size_t row = 1; row < points.stage.size(); ++row) {
    const std::string& stage = points.stage[row];
    if (stage == first) continue;
    require(is_decayed(stage) && is_decayed(first),
            "{}: stage: saw '{}', {} has '{}': losses before the end of a decay lie above the "
            "law; keep one stage",
            name_of(points, row), or_not_stated(stage), name_of(points, 0), or_not_stated(first));
    conventions.stage = "final and cooled-down";
  }
  return conventions;
}

}  // namespace isoflop::laws
