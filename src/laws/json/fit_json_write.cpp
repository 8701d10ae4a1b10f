#include "laws/fit/calibration.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/json/json_parts.hpp"
#include "laws/law/law.hpp"

namespace isoflop::laws {
namespace {

Json estimates(const std::vector<Estimate>& estimates) {
  Json object = Json::object();
  for (const Estimate& estimate : estimates)
    object[estimate.name] = {{"value", number(estimate.value)},
                             {"stderr", number(estimate.standard_error)},
                             {"low", number(estimate.low)},
                             {"high", number(estimate.high)}};
  return object;
}

Json range(const Range& range) {
  return {{"low", number(range.low)}, {"high", number(range.high)}};
}

Json others(const Fit& fit) {
  Json object = Json::object();
  for (const auto& [variable, fitted] : fit.others)
    object[std::string(to_string(variable))] = range(fitted);
  return object;
}

Json points(const Fit& fit) {
  Json left_out = Json::array();
  for (const LeftOut& point : fit.left_out)
    left_out.push_back({{"name", point.name}, {"reason", point.reason}});
  return {{"used", fit.used},
          {"left_out", left_out},
          {"names", fit.names},
          {"source", fit.source},
          {"params", range(fit.params)},
          {"tokens", range(fit.tokens)},
          {"flops", range(fit.flops)},
          {"response", range(fit.response)},
          {"others", others(fit)}};
}

Json conventions(const Conventions& c) {
  return {{"params", c.params},   {"flops", c.flops},           {"loss", c.loss},
          {"stage", c.stage},     {"tokenizer", c.tokenizer},   {"data", c.data},
          {"context", c.context}, {"evaluation", c.evaluation}, {"smoothing", c.smoothing}};
}

Json budgets(const Fit& fit) {
  Json list = Json::array();
  for (const Budget& budget : fit.budgets)
    list.push_back({{"flops", budget.flops},
                    {"points", budget.points},
                    {"params", budget.params},
                    {"tokens", budget.tokens},
                    {"loss", budget.loss},
                    {"rejected", budget.rejected}});
  return list;
}

Json bias(const std::optional<ParabolaBias>& bias) {
  if (!bias) return nullptr;
  return {{"flops", number(bias->flops)},   {"params", number(bias->params)},
          {"tokens", number(bias->tokens)}, {"exponent", number(bias->exponent)},
          {"alpha", number(bias->alpha)},   {"beta", number(bias->beta)}};
}

Json precision(const Precision& precision) {
  Json rows = Json::array();
  for (const std::vector<double>& row : precision.correlation) {
    rows.push_back(Json::array());
    for (const double entry : row) rows.back().push_back(number(entry));
  }
  return {{"condition_number", number(precision.condition_number)}, {"correlation", rows}};
}

Json alternatives(const Fit& fit) {
  Json list = Json::array();
  for (const Alternative& one : fit.alternatives)
    list.push_back({{"loss", one.loss},
                    {"huber_delta", one.huber_delta},
                    {"left_out", one.left_out},
                    {"parameters", one.parameters},
                    {"derived", one.derived},
                    {"put_back", one.put_back}});
  return list;
}

Json profiles(const Fit& fit) {
  Json list = Json::array();
  for (const LikelihoodProfile& profile : fit.profiles)
    list.push_back({{"name", profile.name},
                    {"level", profile.level},
                    {"low", number(profile.low)},
                    {"high", number(profile.high)},
                    {"values", profile.values},
                    {"deviance", profile.deviance}});
  return list;
}

Json search(const SearchSummary& search) {
  Json optima = Json::array();
  for (const Basin& basin : search.best)
    optima.push_back({{"objective", number(basin.objective)},
                      {"starts", basin.starts},
                      {"values", basin.values},
                      {"at_bound", basin.at_bound}});
  return {{"starts", search.starts},
          {"starts_converged", search.reached_best},
          {"basins", search.basins},
          {"lost", search.lost},
          {"converged", search.converged},
          {"gradient_norm", search.gradient_norm},
          {"optima", optima}};
}

Json parabolas(const std::optional<ParabolaShift>& shift) {
  if (!shift) return nullptr;
  return {{"budgets", shift->budgets},
          {"flops", shift->flops},
          {"level", shift->level},
          {"slope", shift->slope},
          {"level_variance", shift->level_variance},
          {"covariance", shift->covariance},
          {"slope_variance", shift->slope_variance}};
}

Json rollout(const Fit& fit) {
  const Rollout& rollout = fit.rollout;
  Json cuts = Json::array();
  for (const RolloutCut& cut : rollout.cuts)
    cuts.push_back({{"size", cut.size},
                    {"fitted", cut.fitted},
                    {"held_out", cut.held_out},
                    {"looked_at", cut.looked_at},
                    {"rms_miss", number(cut.rms_miss)},
                    {"mean_miss", number(cut.mean_miss)}});
  const auto names = [](const std::vector<Variable>& variables) {
    Json list = Json::array();
    for (const Variable variable : variables) list.push_back(to_string(variable));
    return list;
  };
  return {{"size", names(rollout.growth.factors)},
          {"axes", names(rollout.growth.axes)},
          {"reach", rollout.reach},
          {"rms_miss", number(rollout.rms_miss())},
          {"scale", rollout.scale},
          {"drift", rollout.drift},
          {"stray", rollout.stray},
          {"parabolas", parabolas(rollout.parabolas)},
          {"coverage",
           {{"level", fit.level},
            {"measured", number(measured_coverage(rollout, fit.level))},
            {"points", rollout.nested_points},
            {"cuts", rollout.nested_cuts}}},
          {"cuts", cuts},
          {"nested_scores", rollout.nested_scores}};
}

Json members(const Fit& fit) {
  Json list = Json::array();
  for (const Member& member : fit.members)
    list.push_back({{"law", member.law},
                    {"variable", member.variable},
                    {"weight", member.weight},
                    {"rollout_error", number(member.rollout_error)},
                    {"residual_rms", number(member.residual_rms)},
                    {"noise", number(member.noise)},
                    {"values", member.values},
                    {"coordinates", member.coordinates},
                    {"information", member.information}});
  return list;
}

}  // namespace

std::string to_json(const Fit& fit) {
  return lines({{"format", kFitFormat},
                {"ensemble", fit.is_ensemble},
                {"law", fit.law},
                {"method", fit.method},
                {"variable", fit.variable},
                {"fixed", fit.fixed},
                {"parameters", estimates(fit.parameters)},
                {"derived", estimates(fit.derived)},
                {"level", fit.level},
                {"objective", fit.objective},
                {"huber_delta", fit.huber_delta},
                {"seed", fit.seed},
                {"starts", fit.search.starts},
                {"starts_converged", fit.search.reached_best},
                {"search", search(fit.search)},
                {"conventions", conventions(fit.conventions)},
                {"points", points(fit)},
                {"scale", find_law(fit.law).scale == Scale::log ? "log" : "linear"},
                {"residual_rms", fit.residual_rms},
                {"precision", precision(fit.precision)},
                {"alternatives", alternatives(fit)},
                {"profiles", profiles(fit)},
                {"members", members(fit)},
                {"rollout", rollout(fit)},
                {"budgets", budgets(fit)},
                {"bias", bias(fit.bias)},
                {"notes", fit.notes},
                {"warnings", fit.warnings},
                {"isoflop", {{"version", fit.version}, {"commit", fit.commit}}},
                {"draws",
                 {{"asked", fit.draws.asked},
                  {"of", fit.draws.of},
                  {"clusters", fit.draws.clusters},
                  {"unconverged", fit.draws.unconverged},
                  {"rows", fit.draws.rows},
                  {"coordinates", fit.draws.coordinates}}}});
}

}  // namespace isoflop::laws
