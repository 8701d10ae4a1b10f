#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "config/run_config.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "core/version.hpp"

namespace isoflop::config {
namespace {

constexpr std::int64_t kDefaultVirtualRanks = 8;

// The largest power of two that is at most `limit` and divides `batches`.
std::int64_t default_virtual_ranks(std::int64_t batches) {
  std::int64_t ranks = 1;
  while (ranks * 2 <= std::min(kDefaultVirtualRanks, batches) && batches % (ranks * 2) == 0)
    ranks *= 2;
  return ranks;
}

// The peak learning rate is there for a moment at least.
void check_warmup(const RunConfig& c) {
  const std::int64_t warmup = c.schedule.warmup_tokens;
  require(warmup < c.tokens(), "{}: seen {}, needed fewer than the {} tokens of the run",
          c.place("schedule.warmup_tokens"), warmup, c.tokens());
  if (c.schedule.kind == optim::ScheduleKind::cosine) return;
  const std::int64_t stable = optim::stable_tokens(c.schedule, c.tokens());
  require(
      warmup <= stable,
      "{}: seen {}, needed at most the {} tokens before the decay (schedule.decay_fraction {:g} "
      "of {}); shorten one of the two, or lengthen the run",
      c.place("schedule.warmup_tokens"), warmup, stable, c.schedule.decay_fraction, c.tokens());
}

const char* name_of(kernels::NormKind kind) {
  return kind == kernels::NormKind::rms ? "rms" : "layer";
}
const char* name_of(model::Activation kind) {
  return kind == model::Activation::gelu ? "gelu" : "swiglu";
}
const char* name_of(model::Position kind) {
  return kind == model::Position::rope ? "rope" : "learned";
}
const char* name_of(optim::ScheduleKind kind) {
  return kind == optim::ScheduleKind::cosine ? "cosine" : "wsd";
}

// TOML wants a dot or an exponent in a float; {} prints the shortest text that reads back the same.
std::string number(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

// A TOML basic string.
std::string quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      quoted += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
      continue;
    }
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

// A TOML key: bare where it can be.
std::string key(const std::string& name) {
  const bool bare = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  return bare ? name : quoted(name);
}

std::string model_toml(const model::ModelConfig& m) {
  return fmt::format(
      "[model]\nlayers = {}\nwidth = {}\nheads = {}\nkv_heads = {}\nfeed_forward = {}\ncontext = "
      "{}\nvocabulary = {}\n"
      "norm = \"{}\"\nnorm_position = \"pre\"\nactivation = \"{}\"\nposition = \"{}\"\ntied = {}\n",
      m.layers, m.width, m.heads, m.kv_heads, m.feed_forward, m.context, m.vocabulary,
      name_of(m.norm), name_of(m.activation), name_of(m.position), m.tied);
}

std::string synthetic_toml(const SyntheticConfig& s) {
  return fmt::format("kind = \"markov\"\norder = {}\nsymbols = {}\nseed = {}\n", s.order, s.symbols,
                     s.seed);
}

std::string weights_toml(const DataConfig& data) {
  std::string text;
  for (const auto& [source, weight] : data.weights) {
    text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", key(source), number(weight));
  }
  return text.empty() ? text : fmt::format("weights = {{ {} }}\n", text);
}

std::string train_toml(const TrainConfig& t) {
  return fmt::format(
      "global_batch = {}\nmicro_batch = {}\nprecision = \"{}\"\nseed = {}\nreproducible = {}\n",
      t.global_batch, t.micro_batch, config::name_of(t.precision), t.seed, t.reproducible);
}

std::string optimizer_toml(const optim::OptimizerConfig& o) {
  return fmt::format(
      "[optimizer]\nname = \"adamw\"\nlearning_rate = {}\nbeta1 = {}\nbeta2 = {}\nepsilon = "
      "{}\nweight_decay = {}\nclip_norm = {}\n",
      number(o.learning_rate), number(o.beta1), number(o.beta2), number(o.epsilon),
      number(o.weight_decay), number(o.clip_norm));
}

std::string at_tokens_toml(const std::vector<std::int64_t>& at) {
  return at.empty() ? "" : fmt::format("at_tokens = [{}]\n", fmt::join(at, ", "));
}

std::string guard_toml(const GuardConfig& g) {
  return fmt::format("[guard]\non_spike = \"{}\"\nwindow = {}\nz_score = {}\n",
                     config::name_of(g.on_spike), g.window, number(g.z_score));
}

// What decides the numbers of a run while the schedule does not know its length: the trunk's share
// of the hash.
std::string trunk_text(const RunConfig& c) {
  std::string text = model_toml(c.model) + "[data]\nfingerprint = " + c.data_fingerprint + "\n" +
                     weights_toml(c.data);
  if (c.data.synthetic) text += synthetic_toml(*c.data.synthetic);
  text += "[train]\n" + train_toml(c.train) +
          fmt::format("virtual_ranks = {}\n", c.parallel.virtual_ranks);
  text +=
      optimizer_toml(c.optimizer) + fmt::format("warmup_tokens = {}\n", c.schedule.warmup_tokens);
  if (c.guard.on_spike == OnSpike::nothing) return text;
  text += guard_toml(c.guard);
  if (c.guard.on_spike == OnSpike::rollback)  // where it goes back to changes the numbers
    text += fmt::format("every_tokens = {}\n", c.checkpoint.every_tokens);
  return text;
}

}  // namespace

const char* name_of(Precision precision) { return precision == Precision::fp32 ? "fp32" : "bf16"; }

const char* name_of(model::Recompute recompute) {
  if (recompute == model::Recompute::none) return "none";
  return recompute == model::Recompute::full ? "full" : "attention";
}

const char* name_of(OnSpike on_spike) {
  if (on_spike == OnSpike::nothing) return "nothing";
  return on_spike == OnSpike::skip ? "skip" : "rollback";
}

void resolve(RunConfig& c, std::size_t vocabulary, const std::string& data_fingerprint) {
  require(c.model.vocabulary == 0 || c.model.vocabulary == vocabulary,
          "{}: seen {}, but the data has {} tokens; leave the key out or prepare the corpus again",
          c.place("model.vocabulary"), c.model.vocabulary, vocabulary);
  c.model.vocabulary = vocabulary;
  c.data_fingerprint = data_fingerprint;
  c.steps = (c.train.tokens + c.tokens_per_step() - 1) / c.tokens_per_step();
  constexpr double kMostRounding = 1.1;
  require(static_cast<double>(c.tokens()) <= kMostRounding * static_cast<double>(c.train.tokens),
          "{}: seen {}, which whole steps of {} tokens (train.global_batch times "
          "model.context) would raise to {}; needed that, or a smaller global batch",
          c.place("train.tokens"), c.train.tokens, c.tokens_per_step(), c.tokens());
  if (c.parallel.virtual_ranks == 0) {
    c.parallel.virtual_ranks = default_virtual_ranks(c.train.global_batch / c.train.micro_batch);
  }
  check_warmup(c);
  for (const std::int64_t tokens : c.checkpoint.at_tokens) {
    require(tokens % c.tokens_per_step() == 0 && tokens <= c.tokens(),
            "{}: seen {}, needed a multiple of the {} tokens of a step, at most {}",
            c.place("checkpoint.at_tokens"), tokens, c.tokens_per_step(), c.tokens());
  }
}

std::string to_toml(const RunConfig& c) {
  std::string text = model_toml(c.model) + "\n[data]\n";
  text += c.data.synthetic ? synthetic_toml(*c.data.synthetic)
                           : fmt::format("corpus = {}\n", quoted(c.data.corpus));
  text += weights_toml(c.data) + fmt::format("\n[train]\ntokens = {}\n", c.tokens()) +
          train_toml(c.train);
  text += fmt::format("threads = {}\ndevice = \"{}\"\n\n", c.train.threads, c.train.device) +
          optimizer_toml(c.optimizer);
  text += fmt::format(
      "\n[schedule]\nname = \"{}\"\nwarmup_tokens = {}\ndecay_fraction = {}\nfinal_fraction = {}\n",
      name_of(c.schedule.kind), c.schedule.warmup_tokens, number(c.schedule.decay_fraction),
      number(c.schedule.final_fraction));
  text += fmt::format(
      "\n[parallel]\ndata = {}\ntensor = {}\npipeline = {}\nschedule = \"{}\"\nchunks = {}\nzero = "
      "{}\nvirtual_ranks = {}\nrecompute = \"{}\"\n",
      c.parallel.data, c.parallel.tensor, c.parallel.pipeline,
      parallel::name_of(c.parallel.schedule), c.parallel.chunks, c.parallel.zero,
      c.parallel.virtual_ranks, name_of(c.parallel.recompute));
  text += fmt::format("\n[evaluate]\nevery_tokens = {}\n", c.evaluate.every_tokens);
  text += at_tokens_toml(c.evaluate.at_tokens);
  text += fmt::format(
      "\n[checkpoint]\nevery_tokens = {}\nkeep = {}\nkeep_every_tokens = {}\nasynchronous = {}\n",
      c.checkpoint.every_tokens, c.checkpoint.keep, c.checkpoint.keep_every_tokens,
      c.checkpoint.asynchronous);
  return text + at_tokens_toml(c.checkpoint.at_tokens) + "\n" + guard_toml(c.guard);
}

std::string unread_setting(const RunConfig& config) {
  const optim::ScheduleConfig& schedule = config.schedule;
  if (schedule.kind != optim::ScheduleKind::cosine ||
      schedule.decay_fraction == optim::ScheduleConfig{}.decay_fraction)
    return "";
  return fmt::format(
      "schedule.decay_fraction = {} does nothing: schedule.name = \"cosine\" decays all the way; "
      "\"wsd\" reads it",
      schedule.decay_fraction);
}

std::string run_file(const RunConfig& c) {
  return fmt::format("# of isoflop {} ({})\n{}", version(), commit(), to_toml(c));
}

std::string trunk_id(const RunConfig& config) { return hex(hash64(trunk_text(config))); }

std::string run_id(const RunConfig& c) {
  std::string text =
      trunk_text(c) + fmt::format("tokens = {}\nschedule = {}\nfinal_fraction = {}\n", c.tokens(),
                                  name_of(c.schedule.kind), number(c.schedule.final_fraction));
  if (c.schedule.kind == optim::ScheduleKind::wsd)
    text += fmt::format("decay_fraction = {}\n", number(c.schedule.decay_fraction));
  return hex(hash64(text));
}

}  // namespace isoflop::config
