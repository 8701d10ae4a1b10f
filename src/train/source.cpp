#include "train/source.hpp"

#include <map>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/nearest.hpp"
#include "data/mixture.hpp"
#include "data/synthetic.hpp"

namespace isoflop::train {
namespace {

std::vector<std::string> names_of(const data::Corpus& corpus) {
  std::vector<std::string> names;
  for (const auto& source : corpus.description().sources) names.push_back(source.name);
  return names;
}

// What `action` finds wrong is said of the key that stands at `place`.
template <class Action>
void naming(const std::string& place, const Action& action) {
  try {
    action();
  } catch (const InputError& error) {
    throw InputError(fmt::format("{}: {}", place, error.what()));
  }
}

// data.weights in the order of the corpus's sources; one that is not named gets 0.
std::vector<double> weights_in_order(const config::DataConfig& data, const data::Corpus& corpus) {
  if (data.weights.empty()) return {};
  const std::vector<std::string> names = names_of(corpus);
  std::map<std::string, double> left = data.weights;
  std::vector<double> weights;
  for (const std::string& name : names) {
    const auto found = left.find(name);
    weights.push_back(found == left.end() ? 0.0 : found->second);
    left.erase(name);
  }
  for (const auto& [name, weight] : left) {
    throw InputError(fmt::format("{}: {} has no such source; the nearest is \"{}\"", name,
                                 data.corpus, nearest(name, names)));
  }
  return weights;
}

}  // namespace

std::unique_ptr<data::TokenSource> open_source(const config::RunConfig& config) {
  const auto context = static_cast<std::int64_t>(config.model.context);
  const auto seed = static_cast<std::uint64_t>(config.train.seed);
  if (config.data.synthetic) {
    const config::SyntheticConfig& synthetic = *config.data.synthetic;
    return std::make_unique<data::Synthetic>(
        data::SyntheticProcess{"markov", synthetic.order, synthetic.symbols,
                               static_cast<std::uint64_t>(synthetic.seed)},
        context, seed);
  }
  std::shared_ptr<const data::Corpus> corpus;
  naming(config.place("data.corpus"), [&] { corpus = data::Corpus::open(config.data.corpus); });
  std::vector<double> weights;
  naming(config.place("data.weights"), [&] {
    weights = weights_in_order(config.data, *corpus);
    if (!weights.empty()) data::pattern_counts(weights, names_of(*corpus));
  });
  std::unique_ptr<data::TokenSource> source;
  naming(config.place("data.corpus"), [&] {
    source = std::make_unique<data::Mixture>(std::move(corpus), context, seed, weights);
  });
  return source;
}

}  // namespace isoflop::train
