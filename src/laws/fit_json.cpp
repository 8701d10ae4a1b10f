#include "laws/fit_json.hpp"

#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "laws/calibration.hpp"
#include "laws/json_parts.hpp"
#include "laws/law.hpp"

namespace isoflop::laws {
namespace {

constexpr int kFormat = 3;

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

Json points(const Fit& fit) {
  Json left_out = Json::array();
  for (const LeftOut& point : fit.left_out)
    left_out.push_back({{"name", point.name}, {"reason", point.reason}});
  return {
      {"used", fit.used},          {"left_out", left_out},           {"names", fit.names},
      {"source", fit.source},      {"params", range(fit.params)},    {"tokens", range(fit.tokens)},
      {"flops", range(fit.flops)}, {"response", range(fit.response)}};
}

Json conventions(const Conventions& c) {
  return {{"params", c.params}, {"flops", c.flops}, {"loss", c.loss}, {"stage", c.stage}};
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
                    {"derived", one.derived}});
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
  return {{"starts", search.starts},
          {"starts_converged", search.reached_best},
          {"basins", search.basins},
          {"converged", search.converged},
          {"gradient_norm", search.gradient_norm}};
}

Json rollout(const Fit& fit) {
  const Rollout& rollout = fit.rollout;
  Json cuts = Json::array();
  for (const RolloutCut& cut : rollout.cuts)
    cuts.push_back({{"flops", cut.flops},
                    {"fitted", cut.fitted},
                    {"held_out", cut.held_out},
                    {"rms_miss", number(cut.rms_miss)},
                    {"mean_miss", number(cut.mean_miss)}});
  return {{"rms_miss", number(rollout.rms_miss())},
          {"scale", rollout.scale},
          {"growth", rollout.growth},
          {"distance", rollout.distance},
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
                    {"values", member.values},
                    {"coordinates", member.coordinates},
                    {"information", member.information}});
  return list;
}

/// Reads members of one object and names what is wrong with them.
class Reader {
 public:
  Reader(const Json& json, std::string place) : json_(json), place_(std::move(place)) {
    require(json_.is_object(), "{}: saw {}, needed an object", place_, json_.type_name());
  }

  Reader object(const char* key) const { return {member(key), place_of(key)}; }

  bool has(const char* key) const { return json_.contains(key); }
  bool is_null(const char* key) const { return member(key).is_null(); }

  const Json& array(const char* key) const {
    const Json& value = member(key);
    require(value.is_array(), "{}: saw {}, needed a list", place_of(key), value.type_name());
    return value;
  }

  double number(const char* key) const {
    const Json& value = member(key);
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    require(value.is_number(), "{}: saw {}, needed a number", place_of(key), value.type_name());
    return value.get<double>();
  }

  std::size_t count(const char* key) const {
    const Json& value = member(key);
    require(value.is_number_unsigned(), "{}: saw {}, needed a whole number, 0 or above",
            place_of(key), value.dump());
    return value.get<std::size_t>();
  }

  int small_count(const char* key) const {
    constexpr std::size_t kMost = 1'000'000'000;
    const std::size_t value = count(key);
    require(value <= kMost, "{}: saw {}, needed at most {}", place_of(key), value, kMost);
    return static_cast<int>(value);
  }

  bool flag(const char* key) const {
    const Json& value = member(key);
    require(value.is_boolean(), "{}: saw {}, needed true or false", place_of(key), value.dump());
    return value.get<bool>();
  }

  std::string text(const char* key) const {
    const Json& value = member(key);
    require(value.is_string(), "{}: saw {}, needed a string", place_of(key), value.type_name());
    return value.get<std::string>();
  }

  Range range(const char* key) const {
    const Reader reader = object(key);
    return {reader.number("low"), reader.number("high")};
  }

  const Json& json() const { return json_; }
  std::string place_of(const std::string& key) const { return place_ + ": " + key; }

 private:
  const Json& member(const char* key) const {
    const auto found = json_.find(key);
    require(found != json_.end(),
            "{}: the key '{}' is missing; needs a file written by isoflop fit", place_, key);
    return *found;
  }

  const Json& json_;
  std::string place_;
};

std::vector<Estimate> read_estimates(const Reader& reader) {
  std::vector<Estimate> estimates;
  for (const auto& [name, value] : reader.json().items()) {
    const Reader one(value, reader.place_of(name));
    estimates.push_back(
        {name, one.number("value"), one.number("stderr"), one.number("low"), one.number("high")});
  }
  return estimates;
}

/// `nulls`: values that overflowed are null, and not read where there are coordinates.
std::vector<double> numbers_of(const Json& list, const std::string& place, bool nulls) {
  std::vector<double> numbers;
  for (const Json& value : list) {
    if (nulls && value.is_null()) {
      numbers.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    require(value.is_number(), "{}: saw {}, needed a number", place, value.dump());
    numbers.push_back(value.get<double>());
  }
  return numbers;
}

std::vector<double> read_numbers(const Reader& reader, const char* key, bool nulls = false) {
  return numbers_of(reader.array(key), reader.place_of(key), nulls);
}

std::vector<std::vector<double>> read_rows(const Reader& reader, const char* key, std::size_t width,
                                           bool nulls) {
  std::vector<std::vector<double>> rows;
  for (const Json& row : reader.array(key)) {
    require(row.is_array() && row.size() == width, "{}: needed rows of {} numbers",
            reader.place_of(key), width);
    rows.push_back(numbers_of(row, reader.place_of(key), nulls));
  }
  return rows;
}

Draws read_draws(const Reader& reader, std::size_t width) {
  Draws draws;
  draws.asked = reader.count("asked");
  draws.of = reader.text("of");
  draws.clusters = reader.count("clusters");
  if (reader.has("unconverged")) draws.unconverged = reader.count("unconverged");
  if (reader.has("coordinates")) draws.coordinates = read_rows(reader, "coordinates", width, false);
  draws.rows = read_rows(reader, "rows", width, !draws.coordinates.empty());
  require(draws.coordinates.empty() || draws.coordinates.size() == draws.rows.size(),
          "{}: saw {} rows, needed as many as rows has, {}", reader.place_of("coordinates"),
          draws.coordinates.size(), draws.rows.size());
  return draws;
}

Precision read_precision(const Reader& reader, std::size_t size) {
  Precision precision;
  precision.condition_number = reader.number("condition_number");
  const std::string place = reader.place_of("correlation");
  const Json& rows = reader.array("correlation");
  require(rows.empty() || rows.size() == size, "{}: saw {} rows, needed {}", place, rows.size(),
          size);
  for (const Json& row : rows) {
    require(row.is_array() && row.size() == size, "{}: needed rows of {} numbers", place, size);
    precision.correlation.emplace_back();
    for (const Json& entry : row) {
      require(entry.is_number() || entry.is_null(), "{}: saw {}, needed a number", place,
              entry.dump());
      precision.correlation.back().push_back(
          entry.is_null() ? std::numeric_limits<double>::quiet_NaN() : entry.get<double>());
    }
  }
  return precision;
}

std::vector<Alternative> read_alternatives(const Reader& reader, const Fit& fit) {
  std::vector<Alternative> alternatives;
  const std::string place = reader.place_of("alternatives");
  for (const Json& entry : reader.array("alternatives")) {
    const Reader one(entry, place);
    alternatives.push_back({one.text("loss"), one.number("huber_delta"), one.count("left_out"),
                            read_numbers(one, "parameters"), read_numbers(one, "derived")});
    require(alternatives.back().parameters.size() == fit.parameters.size() &&
                alternatives.back().derived.size() == fit.derived.size(),
            "{}: needed {} parameters and {} derived values", place, fit.parameters.size(),
            fit.derived.size());
  }
  return alternatives;
}

std::optional<double> read_optional(const Reader& reader, const char* key) {
  return reader.is_null(key) ? std::nullopt : std::optional(reader.number(key));
}

std::vector<LikelihoodProfile> read_profiles(const Reader& reader) {
  std::vector<LikelihoodProfile> profiles;
  for (const Json& entry : reader.array("profiles")) {
    const Reader one(entry, reader.place_of("profiles"));
    profiles.push_back({one.text("name"), one.number("level"), read_optional(one, "low"),
                        read_optional(one, "high"), read_numbers(one, "values"),
                        read_numbers(one, "deviance")});
  }
  return profiles;
}

void read_members(const Reader& reader, Fit& fit) {
  const std::string place = reader.place_of("members");
  for (const Json& entry : reader.array("members")) {
    const Reader one(entry, place);
    Member member;
    member.law = one.text("law");
    const Law& law = find_law(member.law);
    member.variable = one.text("variable");
    if (law.any_variable) variable_from(member.variable);
    member.weight = one.number("weight");
    member.rollout_error = one.number("rollout_error");
    member.residual_rms = one.number("residual_rms");
    if (one.has("coordinates")) member.coordinates = read_numbers(one, "coordinates");
    member.values = read_numbers(one, "values", !member.coordinates.empty());
    member.information = read_numbers(one, "information");
    require(member.values.size() == law.size() &&
                member.information.size() == law.size() * (law.size() + 1) / 2,
            "{}: law {} needs {} values and {} entries of information", place, law.name, law.size(),
            law.size() * (law.size() + 1) / 2);
    require(member.coordinates.empty() || member.coordinates.size() == law.size(),
            "{}: law {} needs {} coordinates", place, law.name, law.size());
    require(member.weight >= 0, "{}: weight: saw {}, needed 0 or above", place, member.weight);
    fit.members.push_back(std::move(member));
  }
  require(fit.is_frontier() || !fit.members.empty(), "{}: needed one law at least", place);
}

Rollout read_rollout(const Reader& reader) {
  Rollout rollout;
  rollout.scale = reader.number("scale");
  rollout.growth = reader.number("growth");
  rollout.distance = reader.number("distance");
  for (const Json& entry : reader.array("cuts")) {
    const Reader cut(entry, reader.place_of("cuts"));
    rollout.cuts.push_back({cut.number("flops"), cut.count("fitted"), cut.count("held_out"),
                            cut.number("rms_miss"), cut.number("mean_miss")});
  }
  rollout.nested_scores = read_numbers(reader, "nested_scores");
  const Reader coverage = reader.object("coverage");
  rollout.nested_points = coverage.count("points");
  rollout.nested_cuts = coverage.count("cuts");
  return rollout;
}

std::optional<ParabolaBias> read_bias(const Reader& fit) {
  if (fit.is_null("bias")) return std::nullopt;
  const Reader bias = fit.object("bias");
  return ParabolaBias{bias.number("flops"),    bias.number("params"), bias.number("tokens"),
                      bias.number("exponent"), bias.number("alpha"),  bias.number("beta")};
}

void require_parameters(const Fit& fit, const std::string& name) {
  const Law& law = find_law(fit.law);
  std::vector<std::string> needed;
  for (const ParameterInfo& parameter : law.parameters) needed.emplace_back(parameter.name);
  if (fit.is_frontier()) needed = {"G", "a", "H", "b", "E", "K", "gamma"};
  std::vector<std::string> seen;
  for (const Estimate& parameter : fit.parameters) seen.push_back(parameter.name);
  require(seen == needed, "{}: parameters: saw {}; law {} needs {}", name, fmt::join(seen, ", "),
          fit.law, fmt::join(needed, ", "));
  const bool may_overflow = !fit.members.empty() && !fit.members.front().coordinates.empty();
  for (const Estimate& parameter : fit.parameters)
    require(may_overflow || std::isfinite(parameter.value),
            "{}: parameters: {}: value: needed a finite number", name, parameter.name);
}

void read_points(const Reader& reader, Fit& fit) {
  fit.used = reader.count("used");
  for (const Json& entry : reader.array("left_out")) {
    const Reader point(entry, reader.place_of("left_out"));
    fit.left_out.push_back({point.text("name"), point.text("reason")});
  }
  for (const Json& entry : reader.array("names")) {
    require(entry.is_string(), "{}: needed strings", reader.place_of("names"));
    fit.names.push_back(entry.get<std::string>());
  }
  fit.source = reader.text("source");
  fit.params = reader.range("params");
  fit.tokens = reader.range("tokens");
  fit.flops = reader.range("flops");
  fit.response = reader.range("response");
}

Json parse(std::string_view text, const std::string& name) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw InputError(
        fmt::format("{}: not JSON ({}); needs a file written by isoflop fit", name, error.what()));
  }
}

Json json_of(const Prediction& prediction) {
  return {{"params", number(prediction.run.params)},
          {"tokens", number(prediction.run.tokens)},
          {"flops", number(prediction.run.flops)},
          {std::string(to_string(prediction.response)), number(prediction.value)},
          {"interval", json_of(prediction.interval)},
          {"extrapolation",
           {{"params", number(prediction.extrapolation.params)},
            {"tokens", number(prediction.extrapolation.tokens)},
            {"flops", number(prediction.extrapolation.flops)}}},
          {"warnings", prediction.warnings}};
}

}  // namespace

std::string to_json(const Fit& fit) {
  return lines({{"format", kFormat},
                {"ensemble", fit.is_ensemble},
                {"law", fit.law},
                {"method", fit.method},
                {"variable", fit.variable},
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

Fit fit_from_json(std::string_view text, const std::string& name) {
  const Json json = parse(text, name);
  const Reader reader(json, name);
  Fit fit;
  const std::size_t format = reader.count("format");
  require(format == kFormat, "{}: format: saw {}, this isoflop reads {}", name, format, kFormat);
  fit.is_ensemble = reader.flag("ensemble");
  fit.law = reader.text("law");
  fit.method = reader.text("method");
  fit.variable = reader.text("variable");
  fit.parameters = read_estimates(reader.object("parameters"));
  fit.derived = read_estimates(reader.object("derived"));
  fit.level = reader.number("level");
  fit.objective = reader.number("objective");
  fit.huber_delta = reader.number("huber_delta");
  fit.seed = reader.count("seed");
  const Reader found = reader.object("search");
  fit.search = {found.small_count("starts"), found.small_count("starts_converged"),
                found.small_count("basins"), found.flag("converged"),
                found.number("gradient_norm")};
  const Reader kinds = reader.object("conventions");
  fit.conventions = {kinds.text("params"), kinds.text("flops"), kinds.text("loss"),
                     kinds.text("stage")};
  read_points(reader.object("points"), fit);
  fit.residual_rms = reader.number("residual_rms");
  fit.precision = read_precision(reader.object("precision"), fit.parameters.size());
  fit.alternatives = read_alternatives(reader, fit);
  fit.profiles = read_profiles(reader);
  read_members(reader, fit);
  require_parameters(fit, name);
  fit.rollout = read_rollout(reader.object("rollout"));
  fit.bias = read_bias(reader);
  fit.draws = read_draws(reader.object("draws"), fit.parameters.size());
  const Reader made_by = reader.object("isoflop");
  fit.version = made_by.text("version");
  fit.commit = made_by.text("commit");
  return fit;
}

std::string to_json(const Prediction& one) { return lines(json_of(one)); }

std::string to_json(const std::vector<Prediction>& predictions) {
  Json list = Json::array();
  for (const Prediction& one : predictions) list.push_back(json_of(one));
  return Json{{"points", list}}.dump(1) + "\n";
}

}  // namespace isoflop::laws
