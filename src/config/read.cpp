#include <fmt/format.h>

#include <array>
#include <limits>

#include "config/conflict.hpp"
#include "config/run_config.hpp"
#include "core/config_document.hpp"
#include "core/error.hpp"

namespace isoflop::config {
namespace {

constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMostTokens = 1'000'000'000'000'000'000;  // whole steps still fit
constexpr std::int64_t kDimension = std::int64_t{1}
                                    << 20;  // no width, context or vocabulary is larger

// The enumerator whose name was chosen.
template <class Enum, std::size_t n>
Enum chosen(ConfigTable& table, const char* key,
            const std::array<std::pair<const char*, Enum>, n>& names, Enum fallback) {
  std::vector<std::string> allowed;
  std::string fallback_name;
  for (const auto& [name, value] : names) {
    allowed.emplace_back(name);
    if (value == fallback) fallback_name = name;
  }
  const std::string choice = table.choice(key, allowed, fallback_name);
  for (const auto& [name, value] : names) {
    if (choice == name) return value;
  }
  return fallback;
}

std::size_t dimension(ConfigTable& table, const char* key,
                      std::optional<std::size_t> fallback = std::nullopt) {
  const auto low = fallback && *fallback == 0 ? 0 : 1;
  std::optional<std::int64_t> signed_fallback;
  if (fallback) signed_fallback = static_cast<std::int64_t>(*fallback);
  return static_cast<std::size_t>(table.integer(key, low, kDimension, signed_fallback));
}

model::ModelConfig read_model(ConfigTable table) {
  using kernels::NormKind;
  model::ModelConfig model;
  model.layers = static_cast<std::size_t>(table.integer("layers", 1, 1000));
  model.width = dimension(table, "width");
  model.heads = dimension(table, "heads", std::max<std::size_t>(1, model.width / 64));
  model.kv_heads = dimension(table, "kv_heads", model.heads);
  model.activation = chosen<model::Activation, 2>(
      table, "activation",
      {{{"gelu", model::Activation::gelu}, {"swiglu", model::Activation::swiglu}}},
      model::Activation::gelu);
  model.feed_forward =
      dimension(table, "feed_forward", model::default_feed_forward(model.activation, model.width));
  model.context = dimension(table, "context", 256);
  model.vocabulary = dimension(table, "vocabulary", 0);
  model.norm = chosen<NormKind, 2>(
      table, "norm", {{{"rms", NormKind::rms}, {"layer", NormKind::layer}}}, NormKind::rms);
  table.choice("norm_position", std::array<std::string, 1>{"pre"}, "pre");
  model.position = chosen<model::Position, 2>(
      table, "position", {{{"rope", model::Position::rope}, {"learned", model::Position::learned}}},
      model::Position::rope);
  model.tied = table.boolean("tied", true);
  const std::string trouble = model::problem(model);
  if (!trouble.empty())
    table.fail(trouble.substr(0, trouble.find(':')), trouble.substr(trouble.find(':') + 2));
  return model;
}

DataConfig read_data(ConfigTable table) {
  DataConfig data;
  data.corpus = table.string("corpus", "");
  if (table.has("kind")) {
    if (!data.corpus.empty())
      table.fail("kind", "is a synthetic process, but data.corpus is set too; remove one");
    if (table.has("weights"))
      table.fail("weights", "are of the sources of a corpus, but data.kind is set; remove one");
    table.choice("kind", std::array<std::string, 1>{"markov"});
    SyntheticConfig synthetic;
    synthetic.order = table.integer("order", 1, 8, 1);
    synthetic.symbols = table.integer("symbols", 2, 4096, 64);
    synthetic.seed = table.integer("seed", 0, kAny, 1);
    data.synthetic = synthetic;
  } else if (data.corpus.empty()) {
    table.fail_missing(std::array<std::string, 2>{"corpus", "kind"},
                       "the directory that `isoflop data prepare` wrote, or kind = \"markov\"");
  }
  ConfigTable weights = table.table("weights");
  for (const std::string& source : weights.keys())
    data.weights[source] = weights.number(source, std::numeric_limits<double>::min(), 1e12);
  return data;
}

TrainConfig read_train(ConfigTable table) {
  TrainConfig train;
  train.tokens = table.integer("tokens", 1, kMostTokens);
  train.global_batch = table.integer("global_batch", 1, kDimension);
  train.micro_batch =
      table.integer("micro_batch", 1, kDimension, std::min<std::int64_t>(train.global_batch, 8));
  if (train.global_batch % train.micro_batch != 0) {
    table.fail("global_batch", fmt::format("seen {}, needed a multiple of micro_batch {}",
                                           train.global_batch, train.micro_batch));
  }
  train.precision = chosen<Precision, 2>(table, "precision",
                                         {{{"fp32", Precision::fp32}, {"bf16", Precision::bf16}}},
                                         Precision::bf16);
  train.seed = table.integer("seed", 0, kAny, 1);
  train.threads = table.integer("threads", 1, 4096, 1);
  train.device = table.choice("device", std::array<std::string, 2>{"cpu", "cuda"}, "cpu");
  if (train.device == "cuda")
    table.fail("device", "seen \"cuda\", but this build has no CUDA backend; needed \"cpu\"");
  train.reproducible = table.boolean("reproducible", true);
  return train;
}

optim::OptimizerConfig read_optimizer(ConfigTable table) {
  optim::OptimizerConfig optimizer;
  table.choice("name", std::array<std::string, 1>{"adamw"}, "adamw");
  optimizer.learning_rate = table.number("learning_rate", 0.0, 1e3, optimizer.learning_rate);
  optimizer.beta1 = table.number("beta1", 0.0, 0.999999, optimizer.beta1);
  optimizer.beta2 = table.number("beta2", 0.0, 0.999999, optimizer.beta2);
  optimizer.epsilon = table.number("epsilon", 1e-30, 1.0, optimizer.epsilon);
  optimizer.weight_decay = table.number("weight_decay", 0.0, 1e3, optimizer.weight_decay);
  optimizer.clip_norm = table.number("clip_norm", 0.0, 1e12, optimizer.clip_norm);
  return optimizer;
}

optim::ScheduleConfig read_schedule(ConfigTable table) {
  using optim::ScheduleKind;
  optim::ScheduleConfig schedule;
  schedule.kind = chosen<ScheduleKind, 2>(
      table, "name", {{{"cosine", ScheduleKind::cosine}, {"wsd", ScheduleKind::wsd}}},
      ScheduleKind::cosine);
  schedule.warmup_tokens = table.integer("warmup_tokens", 0, kAny, 0);
  schedule.decay_fraction = table.number("decay_fraction", 0.0, 1.0, schedule.decay_fraction);
  schedule.final_fraction = table.number("final_fraction", 0.0, 1.0, schedule.final_fraction);
  return schedule;
}

ParallelConfig read_parallel(ConfigTable table, const TrainConfig& train) {
  using parallel::ScheduleKind;
  ParallelConfig parallel;
  parallel.data = table.integer("data", 0, kDimension, 0);
  parallel.tensor = table.integer("tensor", 1, kDimension, 1);
  parallel.pipeline = table.integer("pipeline", 1, kDimension, 1);
  parallel.schedule = chosen<ScheduleKind, 4>(table, "schedule",
                                              {{{"gpipe", ScheduleKind::gpipe},
                                                {"1f1b", ScheduleKind::one_forward_one_backward},
                                                {"interleaved", ScheduleKind::interleaved},
                                                {"zero-bubble", ScheduleKind::zero_bubble}}},
                                              ScheduleKind::one_forward_one_backward);
  const std::size_t chunks =
      parallel.pipeline > 1 ? parallel::default_chunks(parallel.schedule) : 1;
  parallel.chunks = table.integer("chunks", 1, kDimension, static_cast<std::int64_t>(chunks));
  parallel.zero = table.integer("zero", 0, 3, 0);
  parallel.virtual_ranks = table.integer("virtual_ranks", 0, kDimension, 0);
  parallel.recompute = chosen<model::Recompute, 3>(table, "recompute",
                                                   {{{"none", model::Recompute::none},
                                                     {"attention", model::Recompute::attention},
                                                     {"full", model::Recompute::full}}},
                                                   model::Recompute::none);
  if (const auto conflict = find_conflict(parallel, train))
    table.fail(conflict->key, conflict->text);
  return parallel;
}

EvaluateConfig read_evaluate(ConfigTable table) {
  EvaluateConfig evaluate;
  evaluate.every_tokens = table.integer("every_tokens", 0, kAny, 0);
  if (table.has("at_tokens")) evaluate.at_tokens = table.integers("at_tokens", 1, kAny);
  return evaluate;
}

CheckpointConfig read_checkpoint(ConfigTable table) {
  CheckpointConfig checkpoint;
  checkpoint.every_tokens = table.integer("every_tokens", 0, kAny, 0);
  checkpoint.keep = table.integer("keep", 1, 1000000, 1);
  checkpoint.keep_every_tokens = table.integer("keep_every_tokens", 0, kAny, 0);
  checkpoint.asynchronous = table.boolean("asynchronous", true);
  if (checkpoint.keep_every_tokens > 0 &&
      (checkpoint.every_tokens == 0 || checkpoint.keep_every_tokens % checkpoint.every_tokens != 0))
    table.fail("keep_every_tokens",
               fmt::format("seen {}, needed a multiple of every_tokens = {}",
                           checkpoint.keep_every_tokens, checkpoint.every_tokens));
  if (table.has("at_tokens")) checkpoint.at_tokens = table.integers("at_tokens", 1, kAny);
  return checkpoint;
}

// The keys that resolve(), the data or the ranks may find wrong.
std::map<std::string, std::string> places_of(ConfigTable root) {
  constexpr std::array<std::pair<const char*, const char*>, 12> kKeys{
      {{"model", "vocabulary"},
       {"train", "tokens"},
       {"data", "corpus"},
       {"data", "weights"},
       {"schedule", "warmup_tokens"},
       {"checkpoint", "at_tokens"},
       {"parallel", "data"},
       {"parallel", "tensor"},
       {"parallel", "pipeline"},
       {"parallel", "chunks"},
       {"parallel", "zero"},
       {"parallel", "virtual_ranks"}}};
  std::map<std::string, std::string> places;
  for (const auto& [table, key] : kKeys)
    places[fmt::format("{}.{}", table, key)] = root.table(table).place(key);
  return places;
}

GuardConfig read_guard(ConfigTable table, const CheckpointConfig& checkpoint) {
  GuardConfig guard;
  guard.on_spike = chosen<OnSpike, 3>(
      table, "on_spike",
      {{{"nothing", OnSpike::nothing}, {"skip", OnSpike::skip}, {"rollback", OnSpike::rollback}}},
      OnSpike::nothing);
  guard.window = table.integer("window", 4, 1024, guard.window);
  guard.z_score = table.number("z_score", 1.0, 1e6, guard.z_score);
  if (guard.on_spike == OnSpike::rollback && checkpoint.every_tokens == 0)
    table.fail("on_spike",
               "seen \"rollback\", but checkpoint.every_tokens = 0 leaves nothing to roll back to; "
               "set it, or take \"skip\"");
  return guard;
}

}  // namespace

std::string RunConfig::place(const std::string& key) const {
  const auto found = places.find(key);
  return found == places.end() ? key : found->second;
}

RunConfig read_run_config(ConfigTable root) {
  root.refuse_all_but(kTables);
  RunConfig config;
  config.model = read_model(root.table("model"));
  config.data = read_data(root.table("data"));
  config.train = read_train(root.table("train"));
  config.optimizer = read_optimizer(root.table("optimizer"));
  config.schedule = read_schedule(root.table("schedule"));
  config.parallel = read_parallel(root.table("parallel"), config.train);
  config.evaluate = read_evaluate(root.table("evaluate"));
  config.checkpoint = read_checkpoint(root.table("checkpoint"));
  config.guard = read_guard(root.table("guard"), config.checkpoint);
  config.places = places_of(root);
  return config;
}

RunConfig read_run_config(const std::string& path, const std::vector<std::string>& sets) {
  ConfigDocument document = ConfigDocument::from_file(path);
  for (const std::string& assignment : sets) document.set(assignment);
  ConfigTable root = document.root();
  RunConfig config = read_run_config(root);
  root.refuse_unknown_keys();
  return config;
}

}  // namespace isoflop::config
