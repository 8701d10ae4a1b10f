#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "laws/json/fit_json.hpp"
#include "laws/json/fit_json_members.hpp"
#include "laws/json/json_reader.hpp"

namespace isoflop::laws {
namespace {

std::vector<Estimate> read_estimates(const JsonReader& reader) {
  std::vector<Estimate> estimates;
  for (const auto& [name, value] : reader.json().items()) {
    const JsonReader one(value, reader.place_of(name));
    estimates.push_back(
        {name, one.number("value"), one.number("stderr"), one.number("low"), one.number("high")});
  }
  return estimates;
}

/// In the order of `names`, whatever that of the file; what has none of them comes last.
void sort_estimates(std::vector<Estimate>& estimates, const std::vector<std::string>& names) {
  std::ranges::stable_sort(estimates, {}, [&](const Estimate& one) {
    return std::ranges::find(names, one.name) - names.begin();
  });
}

std::vector<std::string> derived_names(const Law& law) {
  std::vector<std::string> names;
  for (const NamedValue& one : law.derived(example_values(law))) names.push_back(one.name);
  return names;
}

std::vector<std::string> read_texts(const JsonReader& reader, const char* key) {
  std::vector<std::string> texts;
  for (const Json& entry : reader.array(key)) {
    require(entry.is_string(), "{}: needed strings", reader.place_of(key));
    texts.push_back(entry.get<std::string>());
  }
  return texts;
}

/// The last five may be absent: not stated.
Conventions read_conventions(const JsonReader& reader) {
  const auto stated = [&](const char* key) { return reader.has(key) ? reader.text(key) : ""; };
  return {reader.text("params"), reader.text("flops"), reader.text("loss"),
          reader.text("stage"),  stated("tokenizer"),  stated("data"),
          stated("context"),     stated("evaluation"), stated("smoothing")};
}

SearchSummary read_search(const JsonReader& reader) {
  SearchSummary search = {
      reader.small_count("starts"), reader.small_count("starts_converged"),
      reader.small_count("basins"), reader.has("lost") ? reader.small_count("lost") : 0,
      reader.flag("converged"),     reader.number("gradient_norm")};
  if (!reader.has("optima")) return search;
  for (const Json& entry : reader.array("optima")) {
    const JsonReader one(entry, reader.place_of("optima"));
    search.best.push_back({one.number("objective"), one.small_count("starts"),
                           read_numbers(one, "values", true), read_texts(one, "at_bound")});
  }
  return search;
}

Draws read_draws(const JsonReader& reader, std::size_t width) {
  Draws draws;
  draws.asked = reader.count("asked");
  draws.of = reader.text("of");
  draws.clusters = reader.count("clusters");
  if (reader.has("unconverged")) draws.unconverged = reader.count("unconverged");
  if (reader.has("coordinates")) draws.coordinates = read_rows(reader, "coordinates", width, false);
  draws.rows = read_rows(reader, "rows", width, true);
  require(draws.coordinates.empty() || draws.coordinates.size() == draws.rows.size(),
          "{}: saw {} rows, needed as many as rows has, {}", reader.place_of("coordinates"),
          draws.coordinates.size(), draws.rows.size());
  return draws;
}

Precision read_precision(const JsonReader& reader, std::size_t size) {
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

std::vector<Alternative> read_alternatives(const JsonReader& reader, const Fit& fit) {
  std::vector<Alternative> alternatives;
  const std::string place = reader.place_of("alternatives");
  for (const Json& entry : reader.array("alternatives")) {
    const JsonReader one(entry, place);
    alternatives.push_back({one.text("loss"), one.number("huber_delta"), one.count("left_out"),
                            read_numbers(one, "parameters", true),
                            read_numbers(one, "derived", true),
                            one.has("put_back") ? one.count("put_back") : 0});
    require(alternatives.back().parameters.size() == fit.parameters.size() &&
                alternatives.back().derived.size() == fit.derived.size(),
            "{}: needed {} parameters and {} derived values", place, fit.parameters.size(),
            fit.derived.size());
  }
  return alternatives;
}

std::optional<double> read_optional(const JsonReader& reader, const char* key) {
  return reader.is_null(key) ? std::nullopt : std::optional(reader.number(key));
}

std::vector<LikelihoodProfile> read_profiles(const JsonReader& reader) {
  std::vector<LikelihoodProfile> profiles;
  for (const Json& entry : reader.array("profiles")) {
    const JsonReader one(entry, reader.place_of("profiles"));
    profiles.push_back({one.text("name"), one.number("level"), read_optional(one, "low"),
                        read_optional(one, "high"), read_numbers(one, "values", true),
                        read_numbers(one, "deviance", true)});
  }
  return profiles;
}

Variable variable_at(const std::string& place, std::string_view name) {
  try {
    return variable_from(name);
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", place, error.what()));
  }
}

std::vector<Variable> read_variables(const JsonReader& reader, const char* key) {
  std::vector<Variable> variables;
  for (const std::string& name : read_texts(reader, key))
    variables.push_back(variable_at(reader.place_of(key), name));
  return variables;
}

std::optional<ParabolaShift> read_parabolas(const JsonReader& rollout) {
  if (!rollout.has("parabolas") || rollout.is_null("parabolas")) return std::nullopt;
  const JsonReader reader = rollout.object("parabolas");
  const ParabolaShift shift{
      .budgets = reader.count("budgets"),
      .flops = reader.number("flops"),
      .level = reader.number("level"),
      .slope = reader.number("slope"),
      .level_variance = reader.not_negative("level_variance"),
      .covariance = reader.number("covariance"),
      .slope_variance = reader.not_negative("slope_variance"),
  };
  require(shift.flops > 0 && std::isfinite(shift.at(1e20) + shift.variance_at(1e20)),
          "{}: needed numbers, flops above 0", reader.place());
  return shift;
}

Rollout read_rollout(const JsonReader& reader) {
  Rollout rollout;
  rollout.growth = {read_variables(reader, "size"), read_variables(reader, "axes")};
  rollout.reach = read_numbers(reader, "reach");
  rollout.scale = reader.not_negative("scale");
  rollout.drift = reader.not_negative("drift");
  rollout.stray = reader.not_negative("stray");
  require(std::isfinite(rollout.scale + rollout.drift + rollout.stray),
          "{}: needed numbers for scale, drift and stray", reader.place());
  rollout.parabolas = read_parabolas(reader);
  for (const Json& entry : reader.array("cuts")) {
    const JsonReader cut(entry, reader.place_of("cuts"));
    const std::size_t held_out = cut.count("held_out");
    rollout.cuts.push_back({cut.number("size"), cut.count("fitted"), held_out,
                            cut.has("looked_at") ? cut.count("looked_at") : held_out,
                            cut.number("rms_miss"), cut.number("mean_miss")});
  }
  rollout.nested_scores = read_numbers(reader, "nested_scores");
  require(std::ranges::is_sorted(rollout.nested_scores), "{}: needed numbers in ascending order",
          reader.place_of("nested_scores"));
  const JsonReader coverage = reader.object("coverage");
  rollout.nested_points = coverage.count("points");
  rollout.nested_cuts = coverage.count("cuts");
  return rollout;
}

std::vector<Budget> read_budgets(const JsonReader& reader) {
  std::vector<Budget> budgets;
  for (const Json& entry : reader.array("budgets")) {
    const JsonReader one(entry, reader.place_of("budgets"));
    budgets.push_back({one.number("flops"), one.count("points"), one.number("params"),
                       one.number("tokens"), one.number("loss"), one.text("rejected")});
  }
  return budgets;
}

std::optional<ParabolaBias> read_bias(const JsonReader& fit) {
  if (fit.is_null("bias")) return std::nullopt;
  const JsonReader bias = fit.object("bias");
  return ParabolaBias{bias.number("flops"),    bias.number("params"), bias.number("tokens"),
                      bias.number("exponent"), bias.number("alpha"),  bias.number("beta")};
}

void read_points(const JsonReader& reader, Fit& fit) {
  fit.used = reader.count("used");
  for (const Json& entry : reader.array("left_out")) {
    const JsonReader point(entry, reader.place_of("left_out"));
    fit.left_out.push_back({point.text("name"), point.text("reason")});
  }
  fit.names = read_texts(reader, "names");
  fit.source = reader.text("source");
  fit.params = reader.range("params");
  fit.tokens = reader.range("tokens");
  fit.flops = reader.range("flops");
  fit.response = reader.range("response");
  if (!reader.has("others")) return;
  const JsonReader others = reader.object("others");
  for (const auto& [name, range] : others.json().items())
    fit.others[variable_at(others.place(), name)] = others.range(name.c_str());
}

Json parse(std::string_view text, const std::string& name) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {  // its text may hold bytes of the file
    throw InputError(fmt::format(
        "{}: not JSON from byte {} on; needs a file written by isoflop fit", name, error.byte));
  } catch (const Json::exception& error) {
    throw InputError(
        fmt::format("{}: not JSON ({}); needs a file written by isoflop fit", name, error.what()));
  }
}

/// What was fitted, and how.
Fit read_head(const JsonReader& reader) {
  const std::size_t format = reader.count("format");
  require(format == kFitFormat, "{}: format: saw {}, this isoflop reads {}: fit the points again",
          reader.place(), format, kFitFormat);
  Fit fit;
  fit.is_ensemble = reader.flag("ensemble");
  fit.law = reader.text("law");
  find_law(fit.law);  // throws for an unknown one
  fit.method = reader.text("method");
  fit.variable = reader.text("variable");
  if (reader.has("fixed")) fit.fixed = read_texts(reader, "fixed");
  fit.level = reader.number("level");
  require(fit.level > 0 && fit.level < 1, "{}: level: saw {}, needed a number between 0 and 1",
          reader.place(), fit.level);
  fit.huber_delta = reader.number("huber_delta");
  fit.seed = reader.count("seed");
  fit.notes = read_texts(reader, "notes");
  fit.warnings = read_texts(reader, "warnings");
  const JsonReader made_by = reader.object("isoflop");
  fit.version = made_by.text("version");
  fit.commit = made_by.text("commit");
  return fit;
}

}  // namespace

Fit fit_from_json(std::string_view text, const std::string& name) {
  const Json json = parse(text, name);
  const JsonReader reader(json, name);
  Fit fit = read_head(reader);
  fit.parameters = read_estimates(reader.object("parameters"));
  fit.derived = read_estimates(reader.object("derived"));
  sort_estimates(fit.parameters, parameter_names(fit));
  sort_estimates(fit.derived, derived_names(find_law(fit.law)));
  fit.objective = reader.number("objective");
  fit.search = read_search(reader.object("search"));
  fit.conventions = read_conventions(reader.object("conventions"));
  read_points(reader.object("points"), fit);
  fit.residual_rms = reader.not_negative("residual_rms");
  fit.precision = read_precision(reader.object("precision"), fit.parameters.size());
  fit.alternatives = read_alternatives(reader, fit);
  fit.profiles = read_profiles(reader);
  read_members(reader, fit);
  fit.rollout = read_rollout(reader.object("rollout"));
  fit.budgets = read_budgets(reader);
  fit.bias = read_bias(reader);
  fit.draws = read_draws(reader.object("draws"), fit.parameters.size());
  return fit;
}

}  // namespace isoflop::laws
