#include "experiment/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "model/cost.hpp"
#include "model/parameters.hpp"
#include "record/results.hpp"

namespace isoflop::experiment {
namespace {

constexpr double kMostTokens = 1e18;

// 1e12, 2.5e6, 20: the shortest text that reads back the same, fit for a file name.
std::string compact(double value) {
  if (value >= 1e-3 && value < 1e5) return fmt::format("{}", value);
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                 std::chars_format::scientific);
  std::string text(buffer.data(), end.ptr);
  std::erase(text, '+');
  const std::size_t digits = text.find_first_of("123456789", text.find('e'));
  const std::size_t exponent = text.find('e') + (text.find("e-") == std::string::npos ? 1 : 2);
  return text.erase(exponent, digits - exponent);
}

std::string cell_name(Axis axis, double value) {
  const char letter = axis == Axis::budgets ? 'C' : axis == Axis::tokens ? 'D' : 'R';
  return fmt::format("{}{}", letter, compact(value));
}

// What the text of a message says of an axis value.
std::string cell_text(Axis axis, double value) {
  switch (axis) {
    case Axis::tokens:
      return compact(value) + " tokens";
    case Axis::budgets:
      return "a budget of " + compact(value) + " FLOP";
    case Axis::tokens_per_parameter:
      return compact(value) + " tokens a parameter";
  }
  return {};
}

class PlanMaker {
 public:
  PlanMaker(const Manifest& manifest, const Surroundings& surroundings)
      : manifest_(manifest), surroundings_(surroundings) {
    plan_.study = manifest.name;
  }

  Plan make() {
    for (const Grid& grid : manifest_.grids) add_grid(grid);
    add_trunks();
    if (manifest_.target) add_target(*manifest_.target);
    note_repetition();
    note_unread_settings();
    return std::move(plan_);
  }

 private:
  void add_grid(const Grid& grid) {
    for (const std::size_t size : grid.sizes) {
      for (const double value : grid.values) {
        for (const std::int64_t seed : grid.seeds) {
          add_fit(make_run(manifest_.sizes[size], grid.axis, value, seed, grid.place), grid.branch);
        }
      }
    }
  }

  void add_fit(PlannedRun run, bool branch) {
    const auto [place, is_new] = by_id_.try_emplace(run.id, plan_.runs.size());
    if (is_new) {
      plan_.runs.push_back(std::move(run));
      branch_.push_back(branch);
      return;
    }
    PlannedRun& same = plan_.runs[place->second];
    note_once(same.label == run.label
                  ? fmt::format("{} is asked for more than once; it is trained once", run.label)
                  : fmt::format("{} is the same run as {} ({} steps); it is trained once",
                                run.label, same.label, same.config.steps));
    if (same.budget == 0) same.budget = run.budget;
    branch_[place->second] = branch_[place->second] || branch;
  }

  void note_once(std::string note) {
    if (std::ranges::find(plan_.notes, note) == plan_.notes.end())
      plan_.notes.push_back(std::move(note));
  }

  const DataFacts& facts(const config::RunConfig& config) {
    std::string key =
        fmt::format("{}\n{}\n{}\n", config.data.corpus, config.model.context, config.train.seed);
    if (const auto& s = config.data.synthetic)
      key += fmt::format("{} {} {}\n", s->order, s->symbols, s->seed);
    for (const auto& [source, weight] : config.data.weights)
      key += fmt::format("{}={}\n", source, weight);
    const auto found = facts_.find(key);
    return found != facts_.end() ? found->second
                                 : facts_.emplace(key, surroundings_.data(config)).first->second;
  }

  PlannedRun make_run(const Size& size, Axis axis, double value, std::int64_t seed,
                      const std::string& place) {
    PlannedRun run;
    run.label = fmt::format("{}-{}-s{}", size.label, cell_name(axis, value), seed);
    run.config = size.run;
    run.config.train.seed = seed;
    check(run, place);
    const DataFacts& data = facts(run.config);
    model::ModelConfig model = run.config.model;
    model.vocabulary = data.vocabulary;
    const model::ParameterTable table(model);
    run.n_total = static_cast<std::int64_t>(table.n_total());
    run.n_non_embedding = static_cast<std::int64_t>(table.n_non_embedding());
    if (axis == Axis::budgets) run.budget = value;
    const std::string what = fmt::format("{}: {} for size {} (N = {})", place,
                                         cell_text(axis, value), size.label, run.n_total);
    set_length(run, axis, value, what);
    complete(run, data, place);
    return run;
  }

  static void check(const PlannedRun& run, const std::string& place) {
    require(
        run.label.size() <= record::kLabelBytes,
        "{}: the run would be called '{}', needed at most {} bytes; shorten the label of its size",
        place, run.label, record::kLabelBytes);
    const config::ParallelConfig& parallel = run.config.parallel;
    for (const auto& [key, ranks] :
         {std::pair("parallel.data", parallel.data), std::pair("parallel.tensor", parallel.tensor),
          std::pair("parallel.pipeline", parallel.pipeline)}) {
      require(ranks <= 1,
              "{}: seen {}, needed 1 or no such key: a sweep trains a run in one process",
              run.config.place(key), ranks);
    }
  }

  // D and the steps of the decay. `what` opens the message if that cannot be.
  static void set_length(PlannedRun& run, Axis axis, double value, const std::string& what) {
    config::RunConfig& config = run.config;
    const auto n = static_cast<double>(run.n_total);
    const double wanted = axis == Axis::budgets  ? value / (6.0 * n)
                          : axis == Axis::tokens ? value
                                                 : value * n;
    require(wanted <= kMostTokens, "{} needs D = {:.3g} tokens, needed at most {:g}", what, wanted,
            kMostTokens);
    const double step = static_cast<double>(config.tokens_per_step());
    const auto steps = static_cast<std::int64_t>(axis == Axis::tokens ? std::ceil(wanted / step)
                                                                      : std::round(wanted / step));
    require(steps >= 1,
            "{} gives D = {:.4g}, needed at least the {} tokens of a step; raise it, "
            "leave the size out or take a smaller train.global_batch",
            what, wanted, config.tokens_per_step());
    config.train.tokens = steps * config.tokens_per_step();
    optim::ScheduleConfig& schedule = config.schedule;
    if (schedule.kind == optim::ScheduleKind::wsd && schedule.decay_fraction > 0) {
      const auto exact = schedule.decay_fraction * static_cast<double>(steps);
      const auto decay = std::clamp<std::int64_t>(std::llround(exact), 1, steps);
      schedule.decay_fraction = static_cast<double>(decay) / static_cast<double>(steps);
    }
  }

  void complete(PlannedRun& run, const DataFacts& data, const std::string& place) {
    try {
      config::resolve(run.config, data.vocabulary, data.fingerprint);
    } catch (const InputError& error) {
      throw InputError(fmt::format("{} (for run {} of {})", error.what(), run.label, place));
    }
    run.id = config::run_id(run.config);
    run.d_unique = data.unique_tokens(run.config.tokens());
    run.validation_tokens = data.validation_tokens;
    run.memory_bytes = surroundings_.memory_bytes(run.config);
  }

  static std::int64_t stable_step(const config::RunConfig& config) {
    return optim::stable_tokens(config.schedule, config.tokens()) / config.tokens_per_step();
  }

  void add_trunks() {
    std::map<std::string, std::vector<std::size_t>> families;  // by trunk
    std::vector<std::string> order;
    for (std::size_t i = 0; i < plan_.runs.size(); ++i) {
      if (!branch_[i] || stable_step(plan_.runs[i].config) == 0) continue;
      auto& family = families[config::trunk_id(plan_.runs[i].config)];
      if (family.empty()) order.push_back(config::trunk_id(plan_.runs[i].config));
      family.push_back(i);
    }
    for (const std::string& trunk : order) {
      if (families[trunk].size() > 1) add_trunk(families[trunk]);
    }
  }

  void add_trunk(const std::vector<std::size_t>& branches) {
    PlannedRun trunk = plan_.runs[branches.front()];
    config::RunConfig& config = trunk.config;
    trunk.role = Role::trunk;
    trunk.budget = 0;
    trunk.label = trunk.label.substr(0, trunk.label.rfind('-'));  // without the seed
    trunk.label = fmt::format("{}-trunk-s{}", trunk.label.substr(0, trunk.label.rfind('-')),
                              config.train.seed);
    config.checkpoint.at_tokens.clear();
    for (const std::size_t i : branches)
      add_once(config.checkpoint.at_tokens,
               stable_step(plan_.runs[i].config) * config.tokens_per_step());
    config.train.tokens = config.checkpoint.at_tokens.back();
    config.schedule.decay_fraction = 0;
    complete(trunk, facts(config), "trunk");
    const std::size_t place = place_of_trunk(std::move(trunk));
    for (const std::size_t i : branches) {
      plan_.runs[i].trunk = place;
      plan_.runs[i].first_step = stable_step(plan_.runs[i].config);
    }
  }

  // A run that a grid asks for and that never decays may be the trunk itself: one run, one
  // directory.
  std::size_t place_of_trunk(PlannedRun trunk) {
    const auto [found, is_new] = by_id_.try_emplace(trunk.id, plan_.runs.size());
    if (is_new) {
      plan_.runs.push_back(std::move(trunk));
      return found->second;
    }
    PlannedRun& same = plan_.runs[found->second];
    for (const std::int64_t tokens : trunk.config.checkpoint.at_tokens)
      add_once(same.config.checkpoint.at_tokens, tokens);
    plan_.notes.push_back(fmt::format("{} is the same run as {} ({} steps); it is trained once",
                                      trunk.label, same.label, same.config.steps));
    return found->second;
  }

  static void add_once(std::vector<std::int64_t>& sorted, std::int64_t value) {
    const auto place = std::ranges::lower_bound(sorted, value);
    if (place == sorted.end() || *place != value) sorted.insert(place, value);
  }

  void add_target(const Target& target) {
    PlannedRun run =
        make_run(target.size, target.axis, target.value, target.seed, target.size.place);
    run.role = Role::target;
    run.label = target.size.label;
    if (const auto found = by_id_.find(run.id); found != by_id_.end()) {
      const PlannedRun& same = plan_.runs[found->second];
      throw InputError(
          fmt::format("{}: is the same run as {}{}", target.size.place, same.label,
                      same.role == Role::trunk
                          ? ", from which grids branch; needed one of its own: change its tokens"
                          : " of a grid, needed one that no fit sees"));
    }
    for (const PlannedRun& other : plan_.runs) {
      require(other.label != run.label,
              "{}: the target, run {}, would be called '{}' as run {} of a grid is; needed a "
              "target.label of its own",
              target.size.place, run.id, run.label, other.id);
    }
    plan_.runs.push_back(std::move(run));
  }

  void note_unread_settings() {
    for (const PlannedRun& run : plan_.runs) {
      const std::string unread = config::unread_setting(run.config);
      if (!unread.empty()) note_once(unread);
    }
  }

  void note_repetition() {
    for (const PlannedRun& run : plan_.runs) {
      if (run.role == Role::trunk || run.epochs() <= 1.0) continue;
      plan_.notes.push_back(
          fmt::format("warning: {} sees its data {:.2f} times ({} tokens, {} of "
                      "them distinct)",
                      run.label, run.epochs(), run.config.tokens(), run.d_unique));
    }
  }

  const Manifest& manifest_;
  const Surroundings& surroundings_;
  Plan plan_;
  std::vector<bool> branch_;                  // [run]
  std::map<std::string, std::size_t> by_id_;  // fits and trunks
  std::map<std::string, DataFacts> facts_;
};

}  // namespace

const char* name_of(Role role) {
  switch (role) {
    case Role::fit:
      return "fit";
    case Role::trunk:
      return "trunk";
    case Role::target:
      return "target";
  }
  return "";
}

double PlannedRun::epochs() const {
  return static_cast<double>(config.tokens()) / static_cast<double>(d_unique);
}

double PlannedRun::flops_6nd() const {
  return 6.0 * static_cast<double>(n_total) * static_cast<double>(config.tokens());
}

double PlannedRun::flops_exact() const {
  return model::flops_per_token_exact(config.model) * static_cast<double>(config.tokens());
}

std::int64_t PlannedRun::own_tokens() const {
  return (config.steps - first_step) * config.tokens_per_step();
}

Plan make_plan(const Manifest& manifest, const Surroundings& surroundings) {
  return PlanMaker(manifest, surroundings).make();
}

}  // namespace isoflop::experiment
