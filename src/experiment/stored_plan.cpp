#include "experiment/stored_plan.hpp"

#include <nlohmann/json.hpp>

#include "core/config_document.hpp"
#include "core/error.hpp"
#include "core/version.hpp"

namespace isoflop::experiment {
namespace {

constexpr int kSchema = 1;

nlohmann::ordered_json json_of(const PlannedRun& run) {
  nlohmann::ordered_json json{{"run", run.id},
                              {"label", run.label},
                              {"role", name_of(run.role)},
                              {"config", config::to_toml(run.config)},
                              {"data_fingerprint", run.config.data_fingerprint},
                              {"budget", run.budget},
                              {"n_total", run.n_total},
                              {"n_non_embedding", run.n_non_embedding},
                              {"d_unique", run.d_unique},
                              {"validation_tokens", run.validation_tokens},
                              {"memory_bytes", run.memory_bytes},
                              {"first_step", run.first_step}};
  json["trunk"] = run.trunk ? nlohmann::ordered_json(*run.trunk) : nullptr;
  return json;
}

Role role_of(const std::string& name) {
  for (const Role role : {Role::fit, Role::trunk, Role::target}) {
    if (name == name_of(role)) return role;
  }
  throw InputError("\"" + name + "\" is no role");
}

PlannedRun run_of(const nlohmann::json& json, std::size_t runs) {
  PlannedRun run;
  run.id = json.at("run");
  run.label = json.at("label");
  run.role = role_of(json.at("role"));
  ConfigDocument document = ConfigDocument::from_text(json.at("config"), run.label);
  run.config = config::read_run_config(document.root());
  config::resolve(run.config, run.config.model.vocabulary, json.at("data_fingerprint"));
  run.budget = json.at("budget");
  run.n_total = json.at("n_total");
  run.n_non_embedding = json.at("n_non_embedding");
  run.d_unique = json.at("d_unique");
  run.validation_tokens = json.at("validation_tokens");
  run.memory_bytes = json.at("memory_bytes");
  run.first_step = json.at("first_step");
  if (!json.at("trunk").is_null()) run.trunk = json.at("trunk").get<std::size_t>();
  require(!run.trunk || *run.trunk < runs, "{} has no trunk {}", run.label, run.trunk.value_or(0));
  require(config::run_id(run.config) == run.id, "{} is called {}, but its configuration is run {}",
          run.label, run.id, config::run_id(run.config));
  return run;
}

}  // namespace

std::string plan_json(const Plan& plan) {
  nlohmann::ordered_json json{{"schema", kSchema},
                              {"isoflop", {{"version", version()}, {"commit", commit()}}},
                              {"study", plan.study},
                              {"notes", plan.notes},
                              {"runs", nlohmann::ordered_json::array()}};
  for (const PlannedRun& run : plan.runs) json["runs"].push_back(json_of(run));
  return json.dump(1) + "\n";
}

Plan plan_from_json(const std::string& text, const std::string& path) {
  try {
    const auto json = nlohmann::json::parse(text);
    require(json.at("schema") == kSchema, "schema {} is needed", kSchema);
    Plan plan;
    plan.study = json.at("study");
    plan.notes = json.at("notes").get<std::vector<std::string>>();
    for (const auto& run : json.at("runs"))
      plan.runs.push_back(run_of(run, json.at("runs").size()));
    return plan;
  } catch (const nlohmann::json::exception& error) {
    throw InputError(path + ": is no plan: " + error.what() +
                     "; isoflop sweep run writes it again");
  } catch (const InputError& error) {
    throw InputError(path + ": " + error.what() + "; isoflop sweep run writes it again");
  }
}

}  // namespace isoflop::experiment
